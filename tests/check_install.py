#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs into a temporary folder; every public header compiles alone; a program builds with weir-1.0.pc alone and runs."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = r"""
#include <weir/weir.h>
#include <stdio.h>
int main (void)
{
  puts (weir_version ());
  return weir_decoder_names ()[0] == NULL;
}
"""


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def find(root, name):
    found = list(root.rglob(name))
    if len(found) < 1:
        sys.exit(f"{name} is not installed")
    return found[0]


def main():
    build, version, cc = sys.argv[1], sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)
        pc = find(root, "weir-1.0.pc")
        for name in ("libgstweir.so", "weir.1*", "libweir.so.0", "weir"):
            find(root, name)
        env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent) + ":" + os.environ.get("PKG_CONFIG_PATH", ""))
        # the .pc names the final prefix; until then the files lie under `root`
        flags = run("pkg-config", "--cflags", "--libs", "weir-1.0", env=env).split()
        variable = lambda name: f"{root}{run('pkg-config', f'--variable={name}', 'weir-1.0', env=env)}"
        flags = [f"-I{variable('includedir')}", f"-L{variable('libdir')}", *flags]
        headers = sorted(find(root, "weir.h").parent.glob("*.h"))
        compilers = [[*cc, "-std=c11", "-pedantic", "-x", "c"]] + ([["g++", "-x", "c++"]] if shutil.which("g++") else [])
        includes = [f for f in flags if f.startswith("-I")]
        for header in headers:
            for compiler in compilers:
                run(*compiler, "-Wall", "-Werror", "-fsyntax-only", *includes, "-include", header, "/dev/null")
        source, program = root / "program.c", root / "program"
        source.write_text(PROGRAM)
        run(*cc, source, "-o", program, *flags)
        library = find(root, "libweir.so.0").parent
        env = dict(os.environ, LD_LIBRARY_PATH=str(library))
        found = run(program, env=env)
        if found != version:
            sys.exit(f"the program says {found}, expected is {version}")
        for example in sorted((ROOT / "docs" / "examples").glob("*.c")):
            if "<weir/weir.h>" not in example.read_text():
                continue  # an application of the elements: it needs no header of ours
            run(*cc, "-Wall", "-Wextra", "-Werror", example, "-o", program, *flags)
            run(program, env=env, cwd=ROOT)
    print(f"{len(headers)} headers, {found}")


if __name__ == "__main__":
    main()
