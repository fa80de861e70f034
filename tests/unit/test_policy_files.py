"""Policies read from real files: one, or a folder of them, and the files of values that they name."""

import gc
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.strict_yaml import MAX_BYTES
from orgfence.core.reason import Enforcement
from orgfence.errors import StartError
from orgfence.policy_source.files import STARTER_NAME, PolicyFiles, open_policy, read_policy, read_starter

DEADLINE = 20.0
HEAD = "version: 1\nenforcement: block\n"


def rules(*ids: str, org: str = "{path: org}") -> str:
    """A policy of these rules, with an issuer of its own."""
    issuers = f"issuers: {{of-{ids[0]}: {{iss: 'https://{ids[0]}.example', claims: {{member: orgs}}}}}}\n"
    each = [f"  - {{id: {name}, match: {{hosts: [x.example], paths: ['/{{org}}']}}, org: {org}}}\n" for name in ids]
    return f"{HEAD}{issuers}rules:\n{''.join(each)}"


def write(folder: Path, **texts: str) -> None:
    """Write files whose names end in `.yaml`."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def rule_ids(path: Path) -> list[str]:
    """The rules of the policy there."""
    return [rule.id for rule in read_policy(path).ruleset.rules]


def start_error(path: Path) -> list[str]:
    """The lines that say why this is no policy."""
    with pytest.raises(StartError) as caught:
        read_policy(path)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_a_file_is_a_policy(tmp_path: Path) -> None:
    """By whatever name; its path is what messages call it."""
    file = tmp_path / "policy.conf"
    file.write_text(rules("a", "b"))
    assert rule_ids(file) == ["a", "b"]
    file.write_text("version: 2\n")
    with pytest.raises(PolicyError) as caught:
        read_policy(file)
    assert str(caught.value).startswith(f"{file}:1:10: ")


def test_a_folders_files_are_one_policy(tmp_path: Path) -> None:
    """`*.yaml` and `*.yml` in the order of their names; nothing below it, nothing hidden, nothing else."""
    write(tmp_path, c=rules("c"), a=rules("a"))
    (tmp_path / "b.yml").write_text(rules("b"))
    for ignored in (".hidden.yaml", "..data.yaml", "d.yaml.swp", "e.json", "f.yaml~", "g.YAML", "README"):
        (tmp_path / ignored).write_text("nonsense")
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", h="nonsense")
    assert rule_ids(tmp_path) == ["a", "b", "c"]
    assert [name for name, _ in PolicyFiles.read(tmp_path).texts] == [
        str(tmp_path / name) for name in ("a.yaml", "b.yml", "c.yaml")
    ]


def test_faults_name_the_file_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path as given, joined with the name: what a person can open from where they are."""
    (tmp_path / "teams").mkdir()
    write(tmp_path / "teams", a="version: 2\n", b="version: 3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError) as caught:
        read_policy(Path("teams"))
    assert [str(fault.place) for fault in caught.value.faults] == ["teams/a.yaml:1:10", "teams/b.yaml:1:10"]


def test_a_kubernetes_volume_is_a_folder(tmp_path: Path) -> None:
    """Its files are links through `..data`, which is a link itself."""
    (tmp_path / "..2026_01").mkdir()
    write(tmp_path / "..2026_01", a=rules("a"))
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert rule_ids(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda _: None, "{policy}: there is no such file. Write a policy there"),
        (lambda policy: policy.mkdir(), "{policy}: there is no policy in this folder: it holds no file `*.yaml`"),
        (lambda policy: policy.symlink_to("nowhere"), "{policy}: there is no such file. "),
        (lambda policy: policy.symlink_to(policy.name), "{policy}: cannot be read: too many levels of symbolic links"),
    ],
    ids=["missing", "empty folder", "dangling link", "circular link"],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, prepare: Callable[[Path], None], said: str) -> None:
    """Where, what is wrong there, and what to do."""
    policy = tmp_path / "policy"
    prepare(policy)
    (line,) = start_error(policy)
    assert line.startswith(said.format(policy=policy))
    assert ". " in line


def test_all_files_of_a_folder_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A line for each; what the others say is left for later."""
    write(tmp_path, a="nonsense")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yml").symlink_to("nowhere")
    folder, link = start_error(tmp_path)
    assert folder.startswith(f"{tmp_path / 'b.yaml'}: is a folder, and ")
    assert link.startswith(f"{tmp_path / 'c.yml'}: there is no such file. ")


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's word for it, and the fix. (Root may read everything, so the system is made to say so here.)"""
    write(tmp_path, a=rules("a"))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    (line,) = start_error(tmp_path)
    assert line == f"{tmp_path}/a.yaml: cannot be read: permission denied. Make it readable for this user"


def test_a_pipe_in_a_folder_is_named_and_not_waited_for(tmp_path: Path) -> None:
    """To open it would hold the start up, or the watch, for as long as nobody writes to it."""
    write(tmp_path, a=rules("a"))
    os.mkfifo(tmp_path / "b.yaml")
    (line,) = start_error(tmp_path)
    assert line == f"{tmp_path}/b.yaml: is no file, and cannot be read as one. Remove it, or name it otherwise"


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


KINDS: list[Callable[[Path], None]] = [
    os.mkfifo,
    a_socket,
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to("/dev/ptmx"),
]


@pytest.mark.parametrize("make", KINDS, ids=["pipe", "socket", "zero", "terminal"])
def test_a_look_waits_for_nothing_that_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """In the place of the policy, among the files of a folder, or where a value comes from."""
    odd = tmp_path / "odd.yaml"
    make(odd)
    write(tmp_path, a=rules("a"))
    alone, folder = PolicyFiles.read(odd), PolicyFiles.read(tmp_path, [odd])
    assert (alone.texts, len(folder.texts)) == ((), 1)
    assert (
        alone.faults
        == folder.faults
        == (f"{odd}: is no file, and cannot be read as one. Remove it, or name it otherwise",)
    )


def test_what_becomes_a_pipe_before_it_is_opened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again what it is, once it is open."""
    write(tmp_path, a=rules("a"))
    file, opened = tmp_path / "a.yaml", os.open

    def swap(path: Path, flags: int) -> int:
        file.unlink()
        os.mkfifo(file)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", swap)
    assert PolicyFiles.read(file).faults == (
        f"{file}: is no file, and cannot be read as one. Remove it, or name it otherwise",
    )


def test_what_is_gone_before_it_is_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As between the listing of a folder and its reading."""
    write(tmp_path, a=rules("a"), b=rules("b"))
    stat = Path.stat

    def vanish(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(path, follow_symlinks=follow_symlinks)
        if path.name == "b.yaml":
            path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", vanish)
    files = PolicyFiles.read(tmp_path)
    assert files.faults == (f"{tmp_path}/b.yaml: there is no such file. Write a policy there, or name another",)


def test_a_pipe_that_is_named_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """As in `orgfence check <(sops -d policy.yaml)`: its writer needs a moment."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        policy = threads.submit(read_policy, pipe)
        pipe.write_text(rules("a"))
        assert [rule.id for rule in policy.result(DEADLINE).ruleset.rules] == ["a"]
        opened = threads.submit(open_policy, pipe)
        pipe.write_text(rules("b"))
        assert opened.result(DEADLINE).files is None
        with pytest.raises(StartError, match="is no file"):
            open_policy(pipe, may_wait=False)


def test_a_file_that_grows_while_it_is_read_is_read_up_to_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it grows."""
    write(tmp_path, a=rules("a"))
    read, file = os.read, tmp_path / "a.yaml"

    def grow(descriptor: int, length: int) -> bytes:
        with file.open("ab") as more:
            more.write(b"#" * 2 * 1024 * 1024)
        return read(descriptor, length)

    monkeypatch.setattr(os, "read", grow)
    (text,) = PolicyFiles.read(file).texts
    assert len(text.data) == MAX_BYTES + 1


def test_a_folder_has_bounds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the bytes of all its files, and of their number."""
    for number in range(6):
        with (tmp_path / f"{number}.yaml").open("wb") as file:
            file.truncate(MAX_BYTES)
    files = PolicyFiles.read(tmp_path)
    assert files.faults == (f"{tmp_path}: its files hold more than 32 MiB. No policy needs so many",)
    assert len(files.texts) == 4
    monkeypatch.setattr("orgfence.policy_source.files._MAX_FILES", 5)
    (fault,) = PolicyFiles.read(tmp_path).faults
    assert fault.startswith(f"{tmp_path}: cannot be read: it holds more than 5 policy files. ")


def test_a_file_that_is_no_policy_is_not_read_whole(tmp_path: Path) -> None:
    """No more than shows that it is too large."""
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(1024**3)
    (text,) = PolicyFiles.read(tmp_path).texts
    assert len(text.data) == MAX_BYTES + 1


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file is."""

    def refuse(_: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    (line,) = start_error(tmp_path)
    assert line == f"{tmp_path}: cannot be read: permission denied. Make it readable for this user"


ORG = rules("a", org="{value: {file: PATH}}")


def pinned_org(policy: Path) -> bytes:
    """The org that the first rule pins."""
    (source,) = read_policy(policy).ruleset.rules[0].org
    return source.name


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"acme", b"acme"),
        (b"acme\n", b"acme"),
        (b"acme\r\n", b"acme"),
        (b"  acme ", b"  acme "),
        ("größe\n".encode(), "größe".encode()),
        (b"a" * 1000, b"a" * 1000),
    ],
    ids=lambda value: str(value[:12]),
)
def test_a_value_is_the_text_of_a_file(tmp_path: Path, written: bytes, read: bytes) -> None:
    """Without the one line end that editors add; it is looked for beside the policy file, wherever the process is."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "org").write_bytes(written)
    write(tmp_path, policy=ORG.replace("PATH", "secrets/org"))
    assert pinned_org(tmp_path / "policy.yaml") == read
    assert pinned_org(tmp_path) == read
    write(tmp_path, policy=ORG.replace("PATH", str(tmp_path / "secrets" / "org")))
    assert pinned_org(tmp_path) == read


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "`nowhere` cannot be read: no such file or directory. Name a file that is readable here"),
        ("folder", "`folder` is no file. Name one that holds the value"),
        ("pipe", "`pipe` is no file. Name one that holds the value"),
        ("large", "`large` is larger than 64 KiB. Name a file that holds the value alone"),
        ("binary", "`binary` is no UTF-8 text. Name a file that holds the value as text"),
    ],
)
def test_a_value_that_cannot_be_had_is_a_fault(tmp_path: Path, name: str, said: str) -> None:
    """At its place in the policy; a pipe is not waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"a" * 65537)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    write(tmp_path, policy=ORG.replace("PATH", name))
    with pytest.raises(PolicyError) as caught:
        read_policy(tmp_path)
    (fault,) = caught.value.faults
    assert said in fault.message
    assert str(fault.place).startswith(f"{tmp_path}/policy.yaml:5:")


def test_a_name_that_is_no_path_is_a_fault(tmp_path: Path) -> None:
    """Whatever a quoted string of YAML may hold."""
    write(tmp_path, policy=ORG.replace("PATH", r'"a\0b"'))
    with pytest.raises(PolicyError):
        read_policy(tmp_path)


def test_values_come_from_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`${NAME}` is what the process's environment says when the policy is loaded."""
    write(tmp_path, policy=rules("a", org="{value: '${PINNED_ORG}'}"))
    monkeypatch.setenv("PINNED_ORG", "acme")
    assert pinned_org(tmp_path) == b"acme"


def test_what_is_loaded_is_what_was_read(tmp_path: Path) -> None:
    """Whatever has become of the files since, those of known values included; and that they changed can be told."""
    (tmp_path / "org").write_text("acme")
    write(tmp_path, policy=ORG.replace("PATH", "org"))
    files = PolicyFiles.read(tmp_path)
    files.load()
    known = files.value_paths
    assert known == {tmp_path / "org"}

    again = PolicyFiles.read(tmp_path, known)
    assert again.holds(files)
    (tmp_path / "org").write_text("globex")
    write(tmp_path, policy="nonsense")
    (source,) = again.load().ruleset.rules[0].org
    assert source.name == b"acme"
    assert not PolicyFiles.read(tmp_path, known).holds(files)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write(folder, a=rules("b")),
        lambda folder: write(folder, b=rules("b")),
        lambda folder: (folder / "a.yaml").rename(folder / "b.yaml"),
        lambda folder: (folder / "a.yaml").unlink(),
        lambda folder: (folder / "org").write_text("globex"),
        lambda folder: (folder / "org").unlink(),
    ],
    ids=["changed", "added", "renamed", "removed", "value changed", "value removed"],
)
def test_every_change_is_seen(tmp_path: Path, change: Callable[[Path], object]) -> None:
    """By what the files hold, whatever their times and sizes."""
    (tmp_path / "org").write_text("acme--")
    write(tmp_path, a=ORG.replace("PATH", "org"))
    files = PolicyFiles.read(tmp_path)
    files.load()
    assert PolicyFiles.read(tmp_path, files.value_paths).holds(files)
    change(tmp_path)
    assert not PolicyFiles.read(tmp_path, files.value_paths).holds(files)


def test_a_value_that_is_no_longer_named_is_no_change(tmp_path: Path) -> None:
    """Only what the policy was made of counts."""
    (tmp_path / "org").write_text("acme")
    write(tmp_path, a=rules("a"))
    files = PolicyFiles.read(tmp_path, [tmp_path / "org"])
    files.load()
    (tmp_path / "org").write_text("globex")
    assert PolicyFiles.read(tmp_path, [tmp_path / "org"]).holds(files)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("text", [rules("a"), "nonsense"])
def test_the_collector_is_left_as_it_was(tmp_path: Path, *, enabled: bool, text: str) -> None:
    """It is paused while a policy loads, and goes on afterwards, if it did before, also where the policy is no good."""
    write(tmp_path, a=text)
    (gc.enable if enabled else gc.disable)()
    try:
        try:
            read_policy(tmp_path)
        except PolicyError:
            assert text == "nonsense"
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_the_starter_observes_everything() -> None:
    """It needs no file, and is not watched."""
    loaded = open_policy(None)
    assert (loaded.name, loaded.files, loaded.folder_of) == (STARTER_NAME, None, None)
    assert loaded.ruleset.generation == read_starter().ruleset.generation
    assert all(rule.enforcement is Enforcement.OBSERVE for rule in loaded.ruleset.rules)


def test_what_was_opened_knows_its_files(tmp_path: Path) -> None:
    """A folder's number of files, to be told; a single file has none."""
    write(tmp_path, a=rules("a"), b=rules("b"))
    folder, file = open_policy(tmp_path), open_policy(tmp_path / "a.yaml")
    assert (folder.name, folder.folder_of) == (str(tmp_path), 2)
    assert (file.name, file.folder_of) == (str(tmp_path / "a.yaml"), None)
    assert file.ruleset.rules[0].enforcement is Enforcement.BLOCK
    assert open_policy(tmp_path, observe=True).ruleset.cap is Enforcement.OBSERVE


def test_a_pipe_is_read_once() -> None:
    """`--policy <(generate)` works; there is nothing to watch."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(rules("a"))
    try:
        loaded = open_policy(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
    assert [rule.id for rule in loaded.ruleset.rules] == ["a"]
    assert loaded.files is None


def test_a_large_policy_is_kept_from_the_collector(tmp_path: Path) -> None:
    """And so is what was before: to walk over either would hold up all requests."""
    write(tmp_path, a=rules(*(f"rule-{number}" for number in range(2000))))
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        policy = read_policy(tmp_path)
        assert gc.get_freeze_count() > before + len(policy.rules)
    finally:
        gc.unfreeze()
