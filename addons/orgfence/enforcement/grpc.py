"""gRPC calls, and the status that denies one."""

from urllib.parse import quote

from orgfence.core.catalogue import Explanation
from orgfence.core.reason import Reason
from orgfence.enforcement.call import Fields


def is_grpc(fields: Fields) -> bool:
    """Return whether a request is a gRPC call: its client may wait for an answer before it ends its body.

    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: the media type, then `+` and a message format.
    """
    for name, value in fields:
        if len(name) == 12 and name.lower() == b"content-type":
            media_type = value.strip().lower()
            return media_type.startswith(b"application/grpc") and not media_type.startswith(b"application/grpc-web")
    return False


def grpc_status(reason: Reason, told: Explanation) -> dict[str, str]:
    """Return the fields of a trailers-only gRPC answer: PERMISSION_DENIED, which no client tries again."""
    # The message is percent-encoded UTF-8 by gRPC's protocol.
    message = quote(f"orgfence: {reason}: {told.detail}", safe=" !#$&'()*+,/:;=?@[]`{}|~<>")
    return {"Content-Type": "application/grpc", "grpc-status": "7", "grpc-message": message}
