"""protobuf's JSON mapping, and the query parameters of a gateway that is made of it (as grpc-gateway has them)."""

from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import Parse, ParseDict
from google.protobuf.message_factory import GetMessageClass
from tests.servers.server import Channel, PythonServer, Sent, Server


def start() -> Server:
    """Return the server."""
    return PythonServer(
        "protobuf",
        version("protobuf"),
        {Channel.QUERY: {"gateway": _query}, Channel.JSON: {"json_format": _json}},
    )


def _json(sent: Sent, name: str) -> Any:
    message = Parse(sent.data, _message(name)(), ignore_unknown_fields=True)
    return getattr(message, name)


# https://grpc-ecosystem.github.io/grpc-gateway/docs/mapping/examples/: a parameter is a field's name, as in the
# definition or as in JSON; of a field that repeats, each value is set.
def _query(sent: Sent, name: str) -> Any:
    values = []
    for key, value in parse_qsl(sent.data.decode("latin-1"), keep_blank_values=True):
        message = ParseDict({key: value}, _message(name)(), ignore_unknown_fields=True)
        values.append(getattr(message, name))
    return values


@cache
def _message(name: str) -> Any:
    """Return the class of a message with one field of this name, a string."""
    file = FileDescriptorProto(name="one_field.proto", package="orgfence", syntax="proto3")
    message = file.message_type.add(name="OneField")
    message.field.add(
        name=name, number=1, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("orgfence.OneField"))
