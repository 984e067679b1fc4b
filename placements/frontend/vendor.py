"""Copy the few files the pages load from the installed front-end packages into ``placements/static/vendor``.

Nothing is bundled or changed: a page loads each file as its maker published it, with the licence beside it.
Run by ``make setup`` after ``npm ci``; the folder is made anew, so a file dropped from the list is gone.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "node_modules"
VENDOR = HERE.parent / "static" / "vendor"

FILES = {
    # The QR decoder of the scanner page and its WebAssembly part (global `ZXingWASM`).
    "zxing-wasm/dist/iife/reader/index.js": "zxing_reader.js",
    "zxing-wasm/dist/reader/zxing_reader.wasm": "zxing_reader.wasm",
    "zxing-wasm/LICENSE": "zxing-wasm.LICENSE.txt",
    # The frame library of Bitrix24 (global `B24Js`), which carries axios, luxon and qs-esm inside.
    "@bitrix24/b24jssdk/dist/umd/index.min.js": "b24jssdk.min.js",
    "@bitrix24/b24jssdk/LICENSE": "b24jssdk.LICENSE.txt",
    "axios/LICENSE": "axios.LICENSE.txt",
    "luxon/LICENSE.md": "luxon.LICENSE.txt",
    "qs-esm/LICENSE.md": "qs-esm.LICENSE.txt",
}


def vendor(packages: Path, target: Path) -> list[str]:
    """Copy every file of ``FILES`` into a new ``target``; answer the names written.

    Raises ``FileNotFoundError`` naming the first file a package no longer has; ``target`` is then untouched.
    """
    for source in FILES:
        if not (packages / source).is_file():
            raise FileNotFoundError(
                f"{source} is not in {packages}: run npm ci, or mend the list in vendor.py"
            )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for source, name in FILES.items():
        shutil.copyfile(packages / source, target / name)
    return sorted(FILES.values())


if __name__ == "__main__":
    try:
        vendor(PACKAGES, VENDOR)
    except FileNotFoundError as missing:
        sys.exit(f"vendor: {missing}")
