#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asks the installed completions of each shell that is here for what they offer, and holds that against --help.
#
#     completions.sh PREFIX
set -u
prefix=$1
PATH=$prefix/bin:$PATH
export PATH
code=0

commands=$(dinopatch --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(printf '%s\n' "$commands" | wc -l)" -ge 12 ] || { echo "commands: $commands"; exit 1; }
verbs() { dinopatch "$1" --help | sed -n "s/^  dinopatch $1 \([a-z]*\) .*/\1/p"; }
options() { dinopatch "$@" --help=all | grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' | sed 's/.*--/--/'; }

# Whole lines of what is needed that are not among what is offered.
compare() { # WHAT NEEDED OFFERED
    [ -n "$2" ] || { echo "$shell: nothing to compare for $1"; code=1; }
    missing=$(printf '%s\n' "$2" | grep -vxF -e "$3")
    [ -z "$missing" ] || { printf '%s: %s: does not offer %s\n' "$shell" "$1" "$(echo $missing)"; code=1; }
}

bash_offers() { # WORD... the last one is completed
    bash -c '. "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _dinopatch 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' \
        - "$prefix/share/bash-completion/completions/dinopatch" dinopatch "$@"
}

fish_offers() {
    fish --no-config -c 'source $argv[1]; complete --do-complete "$argv[2]"' "$prefix/share/fish/vendor_completions.d/dinopatch.fish" \
        "dinopatch $*" | cut -f 1
}

zsh_offers() { # what it hands to zsh's own functions, one a line
    zsh -f -c '
        compadd() { shift; print -l -- $@ }
        _describe() { print -l -- ${(P)${@[-1]}%%:*} }
        _arguments() {
            local a
            for a in $@; do
                [[ $a == --* ]] && print -r -- ${${a%%\[*}%=}
                [[ $a == $wanted\=* && $a == *:\(*\) ]] && print -l -- ${(s: :)${${a##*:\(}%\)}}
            done
        }
        wanted=$2; file=$1; shift 2
        words=("$@") CURRENT=$#
        . $file' - "$prefix/share/zsh/site-functions/_dinopatch" "${wanted:---none}" dinopatch "$@"
}

for shell in ${SHELLS:-bash fish zsh}; do
    command -v $shell >/dev/null || { echo "$shell is not here, its completion was not tried"; continue; }
    compare commands "$commands" "$(${shell}_offers '')"
    for command in $commands; do
        found=$(verbs "$command")
        if [ -n "$found" ]; then
            compare "$command" "$found" "$(${shell}_offers "$command" '')"
            for verb in $found; do
                compare "$command $verb" "$(options "$command" "$verb")" "$(${shell}_offers "$command" "$verb" --)"
            done
        else
            compare "$command" "$(options "$command")" "$(${shell}_offers "$command" --)"
        fi
    done
    case $shell in
    bash) values=$(bash_offers fit --align '') ;;
    fish) values=$(fish_offers fit --align '') ;;
    zsh) values=$(wanted=--align zsh_offers fit --align '') ;;
    esac
    compare 'fit --align' "$(printf 'pca\nnone\n')" "$values"
done
exit $code
