"""What comes from elsewhere, is too large or is no question: a status and a sentence, no harm."""

import asyncio
import base64
import threading
import tracemalloc
import zlib

import pytest

from twofold.serving import app
from twofold.serving.worker import BusyError, Worker


def png(width: int, height: int) -> bytes:
    """A valid gray PNG of zeros, small however many pixels it has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def client(served, client_of):
    return client_of(served("vae"))


def refused(answer, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", ""])
@pytest.mark.parametrize("path", ["/", "/api/models"])
def test_another_host_is_refused(client, host, path):
    assert client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "http://localhost.evil.example",
        "file://",
    ],
)
def test_another_origin_is_refused(client, origin):
    answer = client.post("/api/map", json={"model": 0}, headers={"origin": origin})
    refused(answer, 403, "another site")
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_origin_is_not(client):
    answer = client.post("/api/map", json={"model": 0}, headers={"origin": "http://localhost"})
    assert answer.status_code == 200
    assert client.options("/api/map", headers={"origin": "http://localhost"}).status_code == 405


def test_every_answer_says_what_a_browser_may_do(client):
    for path in ("/", "/api/models", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_token_is_needed_where_there_is_one(served, client_of):
    client = client_of(served("vae"), token="secret")
    refused(client.get("/"), 401, "token")
    refused(client.get("/api/models?token=wrong"), 401, "token")
    refused(client.get("/api/models?token=%C3%A9"), 401, "token")
    answer = client.get("/?token=secret", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/models").status_code == 200


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/..%2f..%2fserve.py", "/%2fetc%2fpasswd", "/app.py", "/page/"]
)
def test_no_path_leads_out_of_the_page(client, path):
    assert client.get(path).status_code == 404


def test_a_body_that_is_too_large_is_refused(client):
    large = b"x" * (app.MOST_BYTES + 1)
    refused(client.post("/api/generate", content=large), 413, "too large")
    parts = (large[:65536] for _ in range(len(large) // 65536 + 1))  # of unknown length
    refused(client.post("/api/generate", content=parts), 413, "too large")
    lying = client.post("/api/generate", content=b"{}", headers={"content-length": "9" * 30})
    refused(lying, 413, "too large")


def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr(app, "PATIENCE", 0.05)

    class Silent:
        def __init__(self) -> None:
            self.headers: dict[str, str] = {}

        async def stream(self):
            await asyncio.sleep(5)
            yield b""

    with pytest.raises(app.RefusedError, match="in time") as refusal:
        asyncio.run(app._body(Silent()))
    assert refusal.value.status == 408


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"[]", "got []"),
        (b"{" * 50_000, "JSON"),
        (b'{"model": 0, "seed": 1, "path": "/etc/passwd"}', "unknown field path"),
        (b'{"model": 0, "z": [[NaN, 0, 0, 0]]}', "finite"),
        (b'{"model": 0, "z": [[1e39, 0, 0, 0]]}', "less than or equal"),
        (b'{"model": 0, "z": [[1, 2]]}', "a code has 2 numbers; expected 4"),
        (b'{"model": 0, "z": []}', "at least 1"),
        (b'{"model": 0, "seed": 1, "n": 100000}', "less than or equal to 100"),
        (b'{"model": 0, "seed": 9223372036854775808}', "seed"),
        (b'{"model": 0}', "codes z, or of those of a seed"),
        (b'{"model": -1, "seed": 1}', "model"),
    ],
)
def test_what_is_no_question_is_refused_in_words(client, body, words):
    refused(client.post("/api/generate", content=body), 400, words)


def test_there_is_no_other_model_or_question(client):
    refused(client.post("/api/generate", json={"model": 7, "seed": 1}), 404, "no model 7")
    refused(client.post("/api/delete", json={"model": 0}), 404, "no such question")


def uploaded(content: bytes) -> dict:
    return {"model": 0, "image": {"file": base64.b64encode(content).decode()}}


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({"test": 15}, "no test image 15; the last is 14"),
        ({"file": "/etc/passwords"}, "base64"),
        ({"file": "/etc/hosts00"}, "no image that can be read"),
        ({"file": "C:\\windows"}, "base64"),
        ({"pixels": "AAAA"}, "got 3 bytes of pixels; expected 1 × 8 × 8"),
        ({"test": 1, "pixels": "AAAA"}, "either test, pixels or file"),
        ({}, "either test, pixels or file"),
    ],
)
def test_what_is_no_image_is_refused(client, image, words):
    refused(client.post("/api/reconstruct", json={"model": 0, "image": image}), 400, words)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>", png(9, 9)[:40], b"\x89PNG" * 99])
def test_a_damaged_file_is_refused(client, content):
    answer = client.post("/api/reconstruct", json=uploaded(content))
    refused(answer, 400, "no image that can be read")


def test_a_png_of_a_hundred_million_pixels_is_not_decoded(client):
    large = png(10_000, 10_000)
    assert len(large) < 200_000
    tracemalloc.start()
    answer = client.post("/api/reconstruct", json=uploaded(large))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    refused(answer, 400, "10000 × 10000 pixels")
    assert peak < 20e6
    assert client.post("/api/reconstruct", json=uploaded(png(1000, 1000))).status_code == 200


def test_requests_wait_in_turn_and_not_without_bound():
    worker, go, order = Worker(most=3), threading.Event(), []

    def slow(i: int) -> int:
        go.wait(5)
        order.append(i)
        return i

    async def scene() -> tuple[list, Worker]:
        waiting = [asyncio.ensure_future(worker.do(slow, i)) for i in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="ask again"):
            await worker.do(slow, 3)
        go.set()
        return await asyncio.gather(*waiting), worker

    found, _ = asyncio.run(scene())
    assert found == order == [0, 1, 2]
    assert worker.pending == 0
    worker.close()


def test_when_too_many_wait_the_page_is_told(served, client_of):
    client = client_of(served("vae"), worker=Worker(most=0))
    answer = client.post("/api/generate", json={"model": 0, "seed": 1})
    refused(answer, 503, "ask again")


def test_a_defect_is_told_and_ends_nothing(served, client_of, monkeypatch):
    client = client_of(served("vae"))
    with monkeypatch.context() as patch:
        patch.setattr(served("vae"), "model", None)
        answer = client.post("/api/generate", json={"model": 0, "seed": 1})
    refused(answer, 500, "a defect of Twofold (AttributeError)")
    assert client.post("/api/generate", json={"model": 0, "seed": 1}).status_code == 200


def test_the_page_asks_nothing_of_another_host(client):
    text = client.get("/").text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
