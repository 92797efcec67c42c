#!/usr/bin/env python3
"""Completion for bash and zsh, made from what the programs themselves say with --help, so that it names nothing else.

  completion.py --bin DIR --out DIR     writes DIR/triad (bash) and DIR/_triad (zsh)
"""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import program_help  # noqa: E402

BASH = r"""# Completion of triad and triadd for bash. Made from their --help (deploy/packages/completion.py).
_triad_flags() {
  case $1 in
@CASES@
  esac
}

_triad() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -c ]]; then
      i=$((i + 1))
    elif [[ $word != -* && $word != = ]]; then
      verb=$word
      break
    fi
  done
  COMPREPLY=()
  if [[ $previous == -c || $previous == = || $cur == = ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "${cur#=}")
  elif [[ -z $verb && $cur != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "@VERBS@" -- "$cur")
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_triad_flags "$verb") @COMMON@" -- "$cur")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}

_triadd() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if [[ $previous == = || $cur == = ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "${cur#=}")
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "@DAEMON_FLAGS@" -- "$cur")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
  elif ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "@DAEMON_VERBS@" -- "$cur")
  fi
}

complete -F _triad triad
complete -F _triadd triadd
"""

ZSH = r"""#compdef triad triadd
# Completion of triad and triadd for zsh. Made from their --help (deploy/packages/completion.py).
local -a verbs flags
if [[ $service == triadd ]]; then
  verbs=(@DAEMON_VERBS@)
  flags=(
@DAEMON_FLAGS@
  )
  _arguments "1:verb:($verbs)" $flags
  return
fi
verbs=(
@VERBS@
)
if (( CURRENT == 2 )); then
  _describe -t verbs 'triad verb' verbs
  return
fi
case $words[2] in
@CASES@
  *) flags=() ;;
esac
_arguments $flags @COMMON@ '*:file:_files'
"""


def bash(verbs: list[program_help.Verb], daemon: list[str]) -> str:
    cases = "\n".join(f'    {v.name}) echo "{" ".join(v.flags)}" ;;' for v in verbs)
    return (BASH.replace("@CASES@", cases).replace("@VERBS@", " ".join(v.name for v in verbs))
            .replace("@COMMON@", " ".join(program_help.COMMON_FLAGS)).replace("@DAEMON_FLAGS@", " ".join(daemon))
            .replace("@DAEMON_VERBS@", " ".join(program_help.DAEMON_VERBS)))


def zsh_words(text: str) -> str:
    for character in "[]:'\\":
        text = text.replace(character, " ")
    return text


def zsh_flag(flag: str, does: str) -> str:
    name = flag.rstrip("=")
    told = f"[{zsh_words(does)}]" if does else ""
    value = ":value:_files" if flag.endswith("=") else ""
    return f"'{name}{'=' if value else ''}{told}{value}'"


def zsh(verbs: list[program_help.Verb], daemon: list[tuple[str, str]]) -> str:
    described = "\n".join(f"  '{v.name}:{zsh_words(v.does)}'" for v in verbs)
    cases = "\n".join(f"  {v.name}) flags=({' '.join(zsh_flag(f, '') for f in v.flags)}) ;;" for v in verbs)
    flags = "\n".join(f"    {zsh_flag(flag, does)}" for flag, does in daemon)
    common = " ".join(zsh_flag("-c=" if f == "-c" else f, "").replace("-c=", "-c") for f in program_help.COMMON_FLAGS)
    return (ZSH.replace("@DAEMON_VERBS@", " ".join(program_help.DAEMON_VERBS)).replace("@DAEMON_FLAGS@", flags)
            .replace("@VERBS@", described).replace("@CASES@", cases).replace("@COMMON@", common))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    verbs = program_help.tool_verbs(args.bin)
    daemon = [(flag.split("=")[0] + ("=" if "=" in flag else ""), does)
              for flag, does in program_help.daemon_flags(args.bin)]
    if not verbs or not daemon:
        sys.exit("completion: the programs' --help has no verbs or no flags; is the build whole?")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "triad").write_text(bash(verbs, [flag for flag, _ in daemon]))
    (args.out / "_triad").write_text(zsh(verbs, daemon))


if __name__ == "__main__":
    main()
