"""Addresses, keys and foreign text: what may be secret shows up nowhere."""

from __future__ import annotations

import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.backends import BackendError
from edge_mm_ros.backends.remote import (
    Remote,
    RemoteOptions,
    parse_json,
    parse_url,
    printable,
    without_secrets,
)

PORTS = {"http": 80, "https": 443}
LETTERS = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    ("text", "shown", "address"),
    [
        ("http://host:8000/model", "http://host:8000/model", "host:8000"),
        ("https://host/v1", "https://host:443/v1", "host:443"),
        ("http://10.0.0.2/a/versions/3", "http://10.0.0.2:80/a/versions/3", "10.0.0.2:80"),
        ("http://[::1]:9/m", "http://[::1]:9/m", "[::1]:9"),
        ("http://HOST.local/m%20n", "http://host.local:80/m%20n", "host.local:80"),
    ],
)
def test_an_address_is_read(text: str, shown: str, address: str) -> None:
    url = parse_url(text, PORTS)
    assert str(url) == shown
    assert url.address == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "kind http://, https://"),
        ("cpu", "kind http://, https://"),
        ("ftp://host/x", "kind http://, https://"),
        ("http:///model", "check its host and port"),
        ("http://host:99999/m", "check its host and port"),
        ("http://host:x/m", "check its host and port"),
        ("http://host:0/m", "check its host and port"),
        ("http://[::1/m", "check its host and port"),
        ("http://ho st/m", "check its host and port"),
        ("http://host/m n", "percent-encoded"),
        ("http://host/m\r\nX-Evil: 1", "percent-encoded"),
        ("http://host/m?x=1", "query or fragment"),
        ("http://host/m#x", "query or fragment"),
        ("http://me:pw@host/m", "credentials"),
        ("http://me@host/m", "credentials"),
        ("http://me:12/pw@host/m", "percent-encoded"),
        ("http://me:pw][0/pw@host/m", "check its host and port"),
    ],
)
def test_what_is_no_address_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BackendError, match=reason) as error:
        parse_url(text, PORTS)
    assert "pw" not in str(error.value)


@given(
    secret=st.text(LETTERS + ":/?#[]%. ", min_size=1).map(lambda s: "SECRET" + s + "SECRET"),
    rest=st.sampled_from(["host:1/m", "host/m?q=1", "[::1", "host:x", ""]),
)
def test_no_error_says_a_password(secret: str, rest: str) -> None:
    with pytest.raises(BackendError) as error:
        parse_url(f"http://user:{secret}@{rest}", PORTS)
    assert "SECRET" not in str(error.value)


@given(st.text(LETTERS, min_size=1))
def test_no_error_says_a_query(word: str) -> None:
    with pytest.raises(BackendError) as error:
        parse_url(f"http://host/m?token=SECRET{word}", PORTS)
    assert "SECRET" not in str(error.value)
    assert "SECRET" not in without_secrets(f"https://a:SECRET@host/m?k=SECRET{word}")


def remote(url: str = "https://host/v1", key: str = "sk-12345") -> Remote:
    options = RemoteOptions(api_key_env="ROBOT_KEY")
    return Remote.of("m", parse_url(url, PORTS), options, {"ROBOT_KEY": key})


def test_a_key_goes_into_requests_and_into_no_text() -> None:
    named = remote()
    assert named.headers == {"Authorization": "Bearer sk-12345"}
    assert "sk-12345" not in repr(named)
    said = "Incorrect API key provided: sk-12345."
    assert "sk-12345" not in str(named.refusal("401 Unauthorized", said))
    assert "sk-12345" not in str(named.failure(said))
    assert "api_key_env" in str(named.refusal("401 Unauthorized", said))


def test_without_a_named_variable_there_is_no_key() -> None:
    url = parse_url("http://host/v1", PORTS)
    plain = Remote.of("m", url, RemoteOptions(), {"OPENAI_API_KEY": "sk"})
    assert plain.headers == {}
    assert "wants a key" in str(plain.refusal("401 Unauthorized", ""))


@pytest.mark.parametrize("key", ["", "  ", "two words", "a\r\nX-Evil: 1", "schlüssel"])
def test_a_missing_or_impossible_key_is_refused_by_its_variable(key: str) -> None:
    with pytest.raises(BackendError, match="ROBOT_KEY") as error:
        remote(key=key)
    assert not key.strip() or key not in str(error.value)


def test_a_key_that_travels_unencrypted_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        remote("http://127.0.0.1:1/v1")
        remote("http://localhost:1/v1")
        remote("https://host/v1")
        assert caplog.text == ""
        remote("http://host/v1")
    assert "unencrypted" in caplog.text
    assert "sk-12345" not in caplog.text


@given(st.text())
def test_foreign_text_becomes_one_short_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 210
    assert all(c.isprintable() for c in shown)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"{", b"NaN", b'{"a": Infinity}', b"\xff\xfe", b"[" * 200_000]
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        parse_json(data)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "sk"},
        {"api_key_env": "not a name"},
        {"request_timeout_s": 0},
        {"request_timeout_s": float("nan")},
        {"max_answer_bytes": 0},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RemoteOptions.model_validate(options)
