"""What the lint scripts share: which files there are, and what C looks like without its comments.

Every script takes the top of the tree as its only argument, or looks from where it lies.
"""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

# Made by the build, or by the autotools; never written by hand.
GENERATED_DIRS = {'.git', 'build', '_build', '_inst', 'build-aux', 'autom4te.cache', 'm4', '.deps',
                  '.libs', 'llhttp-src', '__pycache__'}
GENERATED = re.compile(r'^(configure~?|aclocal\.m4|config\.h(\.in)?|stamp-h1|selvage\.pc)$'
                       r'|(^|/)(Makefile(\.in)?|config\.(log|status)|libtool)$'
                       r'|\.(o|lo|la|a|so|log|trs|pyc|xz)$|~$')


def top():
    """The directory that holds src/ and tests/."""
    if len(sys.argv) > 1:
        return os.path.abspath(sys.argv[1])
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(root, *under):
    """Paths below root, sorted: what git would track, or without git all that is not generated."""
    names = None
    if os.path.exists(os.path.join(root, '.git')):
        try:
            out = subprocess.run(['git', '-C', root, 'ls-files', '-z', '-co', '--exclude-standard'],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            names = [n for n in out.stdout.decode('utf-8', 'surrogateescape').split('\0') if n]
        except (OSError, subprocess.CalledProcessError):
            pass
    if names is None:
        names = []
        for folder, dirs, found in os.walk(root):
            dirs[:] = [d for d in dirs if d not in GENERATED_DIRS]
            names += [os.path.relpath(os.path.join(folder, f), root) for f in found]
        names = [n for n in names if not GENERATED.search(n)]
    names = [n for n in names if os.path.isfile(os.path.join(root, n))]
    if under:
        names = [n for n in names if n.startswith(tuple(u + '/' for u in under))]
    return sorted(names)


def c_files(root, *under):
    return [n for n in files(root, *under) if n.endswith(('.c', '.h'))]


def read(root, name):
    """The text of a file; None where it is not text."""
    with open(os.path.join(root, name), 'rb') as f:
        data = f.read()
    try:
        return None if b'\0' in data else data.decode('utf-8')
    except UnicodeDecodeError:
        return None


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """The same length and lines, with spaces for all but line ends."""
    return re.sub(r'[^\n]', ' ', text)


def code_of(text, keep_strings=False):
    """C without comments; strings become blank ones of the same length unless they are kept."""
    def instead(m):
        t = m.group()
        if t[0] == '/':
            return blank(t)
        return t if keep_strings else t[0] + blank(t[1:-1]) + t[-1]
    return TOKEN.sub(instead, text)


def without_preprocessor(code):
    """Blanks directives with their continuation lines."""
    return re.sub(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', lambda m: blank(m.group()), code,
                  flags=re.M | re.S)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


FUNCTION = re.compile(r'([A-Za-z_]\w*)\s*\(')


def functions(text):
    """(name, is_static, first line, last line) of each function definition of a C file."""
    code = without_preprocessor(code_of(text))
    found, depth, begin, start = [], 0, 0, None
    for m in re.finditer(r'[{};]', code):
        ch, at = m.group(), m.start()
        if ch == '{':
            if depth == 0:
                head = code[begin:at]
                call = FUNCTION.search(head)
                is_code = head.rstrip().endswith(')') and '=' not in head and call
                start = (call, begin, head) if is_code else None
            depth += 1
        elif ch == '}':
            depth -= 1
            if depth == 0:
                if start:
                    call, at_begin, head = start
                    first = at_begin + len(head) - len(head.lstrip())
                    found.append((call.group(1), re.search(r'\bstatic\b', head) is not None,
                                  line_of(code, first), line_of(code, at)))
                    begin = at + 1
                # Else a struct or an initialiser ends; what follows is of it up to the semicolon.
        elif depth == 0:
            begin = at + 1
    return found


def finish(bad, good):
    """Prints offenders, or what is well, and ends with the status."""
    for line in bad:
        print(line)
    if not bad:
        print(good)
    sys.exit(1 if bad else 0)
