"""The console's pictures in the documentation: how they are compressed, and what they were made from."""

import hashlib
import json
import struct
import zlib
from base64 import b64decode, b64encode
from pathlib import Path

from playwright.sync_api import Page

from leadbridge.runtime.console_files import ConsoleFiles
from quality.testkit.template import ROOT

FOLDER = ROOT / "docs" / "console"
MANIFEST = FOLDER / "pictures.json"
STATIC = ROOT / "functions" / "serve_console" / "static"
MADE_BY = (ROOT / "tests" / "browser" / "screenshots.py", Path(__file__).with_name("world.py"))

# Returns a picture with its 256 most frequent colours; a less frequent one becomes the most similar of these.
REDUCE = """async (png) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) ?? 0) + 1);
  const palette = [...counts].sort(([a, n], [b, m]) => m - n || a - b).slice(0, 256).map(([colour]) => colour);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const rgb = palette.map(parts);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  const nearest = (colour) => {
    const wanted = parts(colour);
    const far = rgb.map((one) => one.reduce((sum, part, channel) => sum + (part - wanted[channel]) ** 2, 0));
    return far.indexOf(Math.min(...far));
  };
  let text = "";
  for (const colour of pixels) {
    if (!places.has(colour)) places.set(colour, nearest(colour));
    text += String.fromCharCode(places.get(colour));
  }
  return { width, height, palette: rgb.flat(), pixels: btoa(text) };
}"""


def compressed(page: Page, png: bytes) -> bytes:
    """Return a picture as a PNG file with a palette. `page` is any page without a content security policy."""
    found = page.evaluate(REDUCE, b64encode(png).decode())
    width, pixels = found["width"], b64decode(found["pixels"])
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width))
    header = struct.pack(">IIBBBBB", width, found["height"], 8, 3, 0, 0, 0)
    parts = {b"IHDR": header, b"PLTE": bytes(found["palette"]), b"IDAT": zlib.compress(rows, 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts.items())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def made_from() -> dict[str, str]:
    """Return the versions of the console and of the data in the pictures."""
    texts = [path.read_text(encoding="utf-8") for path in MADE_BY]
    data = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]
    return {"console": ConsoleFiles(STATIC).version, "data": data}


def pictures() -> dict[str, str]:
    """Return a hash of each picture, by its file's name."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest()[:12] for one in sorted(FOLDER.glob("*.png"))}


def write_manifest() -> None:
    """Store what the pictures are, and what they were made from."""
    text = json.dumps({**made_from(), "pictures": pictures()}, indent=2)
    MANIFEST.write_text(f"{text}\n", encoding="utf-8")
