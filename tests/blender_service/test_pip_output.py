"""pip's output understood: how far it is, and why it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip_blender.service.pip_output import PipProgress, explain

# What pip 24.2 and 23.2 printed, shortened.
INSTALL = """\
Processing /home/anna/Downloads/talkclip-0.1.0-py3-none-any.whl
Collecting numpy>=1.26 (from talkclip==0.1.0)
  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (6.6 kB)
Collecting onnxruntime>=1.20 (from talkclip==0.1.0)
  Using cached onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (5.1 kB)
Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (60.0 MB)
Progress 0 of 60000000
Progress 30000000 of 60000000
Progress 60000000 of 60000000
Using cached https://mirror.example/files/onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl (40.0 MB)
Installing collected packages: numpy, onnxruntime, talkclip
Successfully installed numpy-2.4.6 onnxruntime-1.32.0 talkclip-0.1.0
"""


def test_progress_rises_to_the_end() -> None:
    progress = PipProgress(expected_bytes=100_000_000)
    seen = []
    for line in INSTALL.splitlines():
        progress.feed(line)
        seen.append((progress.fraction, progress.text))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[6:9] == pytest.approx([0.0, 0.21, 0.42])  # a file of 60 of 100 MB, as it comes in
    assert seen[5][1] == "Fetching numpy (60 MB)" and seen[2][1] == "Looking up numpy"
    assert seen[9] == (pytest.approx(0.7), "Taking onnxruntime (40 MB)")
    assert progress.packages == 3
    progress.unpacked(2)
    assert progress.fraction == pytest.approx(0.9)
    progress.unpacked(1)
    assert progress.fraction == pytest.approx(0.9)


def test_files_of_a_folder_count_with_their_size(tmp_path: Path) -> None:
    wheel = tmp_path / "scipy-1.17.1-cp311-none-any.whl"
    wheel.write_bytes(b"x" * 5_000_000)
    progress = PipProgress(expected_bytes=10_000_000)
    progress.feed(f"Processing {wheel} (from talkclip==0.1.0)")
    assert progress.fraction == pytest.approx(0.35) and progress.text == "Taking scipy (5 MB)"


def test_more_than_expected_never_runs_over() -> None:
    progress = PipProgress(expected_bytes=1_000_000)
    for _ in range(5):
        progress.feed("Downloading big-1.0-py3-none-any.whl (900.0 MB)")
    assert progress.fraction == pytest.approx(0.7)


RETRIES = (
    "WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a "
    "new connection: [Errno -3] Temporary failure in name resolution')': /simple/numpy/"
)
OS_ERROR = "ERROR: Could not install packages due to an OSError:"
NO_MATCH = "ERROR: No matching distribution found for numpy>=1.26"


@pytest.mark.parametrize(
    ("output", "code", "problem", "remedy"),
    [
        ([RETRIES, NO_MATCH], "no_network", "cannot be reached", "Resume"),
        ([NO_MATCH], "no_package", "numpy>=1.26", "Python 3.11"),
        (
            [RETRIES, f"{OS_ERROR} [Errno 28] No space left on device"],
            "disk_full", "disk is full", "Make room",
        ),
        (["OSError: [WinError 112] There is not enough space on the disk"], "disk_full", "full", "Make room"),
        (
            [f"{OS_ERROR} [WinError 5] Access is denied: 'C:\\\\x\\\\cv2.pyd'"],
            "permission", "could not be written", "virus scanner",
        ),
        (
            [RETRIES, f"{OS_ERROR} [Errno 13] Permission denied: '/x/cv2.so'"],
            "permission", "could not be written", "virus scanner",
        ),
        (
            ["ERROR: Package 'talkclip' requires a different Python: 3.10.12 not in '>=3.11'"],
            "wrong_python", "3.10.12", "3.11, 3.12 or 3.13",
        ),
        (["ERROR: Failed building wheel for llvmlite"], "no_wheel", "llvmlite", "3.11, 3.12 or 3.13"),
        (
            ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed'))", NO_MATCH],
            "certificate", "certificate", "cert = FILE",
        ),
        (
            ["ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))", NO_MATCH],
            "proxy", "proxy", "proxy = URL",
        ),
        (["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."], "damaged", "damaged", "Resume"),
        (
            ["Error: Command '[...]' returned", "/usr/bin/python3: No module named ensurepip"],
            "no_venv", "environments", "python3-venv",
        ),
    ],
)  # fmt: skip
def test_failures_say_what_to_do(output: list[str], code: str, problem: str, remedy: str) -> None:
    error = explain(["Collecting numpy", *output], 1)
    assert error.code == code
    assert problem in error.message and remedy in error.hint
    assert "\n" not in str(error)


def test_what_nobody_foresaw_is_quoted() -> None:
    error = explain(["Collecting x", "ERROR: The moon is full.", "[notice] a new pip"], 1)
    assert "The moon is full." in error.message and "log" in error.hint
    assert explain([], -9).code == "killed"
