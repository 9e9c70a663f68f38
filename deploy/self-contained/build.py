#!/usr/bin/env python3
"""Make a directory with supinit and an interpreter of its own, for images that have no Python.

    python deploy/self-contained/build.py [--prefix /opt/supinit] DIRECTORY

The interpreter that runs this is the one that is copied, with the modules that supinit can import, compiled, and the
shared libraries that they need, the C library and its loader included. So the image may have any C library, or none.
supinit has to be installed for that interpreter, and a C compiler, strip and patchelf have to be in PATH.

The directory works at `--prefix` alone: loader and interpreter are found by their absolute paths.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from modulefinder import ModuleFinder
from pathlib import Path
from typing import NamedTuple

TOOLS = {"cc": "gcc libc6-dev", "strip": "binutils", "patchelf": "patchelf"}
"""Commands that are needed, and Debian's packages for them."""
ABSENT = {
    *("ssl", "_ssl", "_hashlib", "bz2", "lzma", "compression", "multiprocessing", "readline", "rlcompleter", "tkinter"),
    *(
        "doctest",
        "pdb",
        "pydoc",
        "test",
        "unittest",
        "rich",
        "textual",
        "tzdata",
        "psycopg",
        "redis",
    ),
    *(f"psutil._ps{system}" for system in ("aix", "bsd", "osx", "sunos", "windows")),
}
"""What is not copied. What imports one of these works without it, or needs an extra. The image has its own tzdata."""
CODECS = ("ascii", "aliases", "idna", "latin_1", "punycode", "unicode_escape", "utf_8", "utf_8_sig", "utf_16", "utf_32")
LOOKED_UP = ("site", "runpy", "encodings", *(f"encodings.{codec}" for codec in CODECS))
"""What the interpreter imports by itself, or by a name that it is given."""
PACKAGES = ("supervisor", "yaml", "psutil", "h11")
OPTIONS = "-ISXutf8"
"""Nothing of the image's environment, such as PYTHONHOME, reaches this interpreter, and its locale does not matter."""
KEPT = "SUPINIT_KEPT_"
RESTORE = f"""\
import os

for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"):
    if "{KEPT}" + name in os.environ:
        os.environ[name] = os.environ.pop("{KEPT}" + name)
"""
"""The second half of start.c, which hides these variables from the interpreter."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", default="/opt/supinit", help="where the directory will be in the image")
    parser.add_argument("directory", type=Path, help="what is made; an existing one is replaced")
    arguments = parser.parse_args()
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            parser.error(f"{tool} is missing: apt-get install {package}")
    build(arguments.directory, arguments.prefix.rstrip("/"))


def build(target: Path, prefix: str) -> None:
    """Make the directory `target`, to be used as `prefix`."""
    shutil.rmtree(target, ignore_errors=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    modules, programs = target / "lib" / version, target / "libexec"
    for directory in (modules / "lib-dynload", target / "bin", programs):
        directory.mkdir(parents=True)
    interpreter = programs / version
    shutil.copy(os.path.realpath(sys.executable), interpreter)
    binaries = [interpreter, *copy_modules(closure(), modules)]
    copy_data("supervisor", modules)
    loader = copy_libraries(binaries, target / "lib")
    for binary in [*binaries, *(target / "lib").glob("*.so*")]:
        run("strip", "--strip-unneeded", binary)
        if binary.name != loader:
            run("patchelf", "--force-rpath", "--set-rpath", f"{prefix}/lib", binary)
    run("patchelf", "--set-interpreter", f"{prefix}/lib/{loader}", interpreter)
    defines = (f'-DINTERPRETER="{prefix}/libexec/{version}"', f'-DKEPT="{KEPT}"')
    run("cc", "-Os", "-s", "-static", *defines, "-o", programs / "python3", Path(__file__).with_name("start.c"))
    for name in ("supinit", "supctl"):
        _, *lines = (modules / "supervisor/cli/script" / name).read_text().splitlines(keepends=True)
        script = target / "bin" / name
        script.write_text(f"#!{prefix}/libexec/python3 {OPTIONS}\n{RESTORE}\n{''.join(lines)}")
        script.chmod(0o755)
    copy_licences(target / "share" / "licences", version)


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


class Found(NamedTuple):
    name: str
    source: Path
    is_package: bool


def closure() -> list[Found]:
    """Return every module that supinit can import, those that it imports inside of functions included."""
    finder = ModuleFinder(excludes=list(ABSENT))
    for name in LOOKED_UP:
        finder.import_hook(name)
    for package in PACKAGES:
        root = directory_of(package)
        for path in sorted((*root.rglob("*.py"), *root.rglob("*.so"))):
            name = ".".join((package, *path.parent.relative_to(root).parts, path.name.partition(".")[0]))
            if name not in ABSENT:
                finder.import_hook(name.removesuffix(".__init__"))
    modules = [vars(module) for _, module in sorted(finder.modules.items())]
    return [
        Found(module["__name__"], Path(module["__file__"]), bool(module["__path__"]))
        for module in modules
        if module["__file__"] is not None
    ]


def directory_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"cannot find {package}: install supinit for {sys.executable}")
    return Path(spec.submodule_search_locations[0])


def copy_modules(found: Iterable[Found], modules: Path) -> list[Path]:
    """Compile or copy the modules; return the shared objects."""
    binaries = []
    for name, source, is_package in found:
        place = modules.joinpath(*name.split("."))
        if is_package:
            place /= "__init__"
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".so":
            is_stdlib = source.parent.name == "lib-dynload"
            binaries.append(Path(shutil.copy(source, (modules / "lib-dynload") if is_stdlib else place.parent)))
        else:
            compiled, shown = f"{place}.pyc", f"{place.relative_to(modules)}.py"
            unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(source), compiled, shown, doraise=True, invalidation_mode=unchecked)
    return binaries


def copy_data(package: str, modules: Path) -> None:
    """Copy the files of a package that are not modules."""
    root = directory_of(package)
    for path in root.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc", ".so"):
            place = modules / package / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def copy_libraries(binaries: Iterable[Path], target: Path) -> str:
    """Copy the shared libraries that the binaries need; return the loader's name."""
    own = f"{sysconfig.get_config_var('LIBDIR')}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    found: dict[str, str] = {}
    for binary in binaries:
        listed = subprocess.run(
            ["ldd", binary], capture_output=True, text=True, check=True, env={**os.environ, "LD_LIBRARY_PATH": own}
        ).stdout
        if "not found" in listed:
            sys.exit(f"cannot find the libraries of {binary}:\n{listed}")
        found.update((Path(path).name, path) for path in re.findall(r"(/\S+) \(0x", listed))
    for name, path in found.items():
        shutil.copy(path, target / name)
        (target / name).chmod(0o755)
    return next(name for name in found if name.startswith("ld-"))


def copy_licences(target: Path, version: str) -> None:
    """Copy the licences of everything in the directory, as far as this machine has them."""
    target.mkdir(parents=True)
    for package in ("supinit", "cronsim", "h11", "psutil", "PyYAML"):
        for file in files_of(package):
            if file.name.upper().startswith(("LICEN", "COPYING")):
                shutil.copy(str(file.locate()), target / f"{package}-{file.name}")
    debian = {package: Path("/usr/share/doc", package, "copyright") for package in ("libc6", "zlib1g", "libexpat1")}
    python = {"Python": Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), version: Path("/usr/share/doc", version)}
    python[version] /= "copyright"
    for name, path in {**debian, **python}.items():
        if path.exists():
            shutil.copy(path, target / name)


def files_of(package: str) -> Iterable[PackagePath]:
    try:
        return distribution(package).files or ()
    except PackageNotFoundError:
        return ()


if __name__ == "__main__":
    main()
