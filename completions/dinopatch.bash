# SPDX-License-Identifier: Apache-2.0
# bash completion for dinopatch.  Commands, options and their values are read off the program's own --help.

# Prints the commands of `dinopatch [COMMAND]`: the first word of each line of the list, or what follows the command's name.
__dinopatch_commands() {
    local program=$1 command=$2
    if [[ -z $command ]]; then
        "$program" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'
    else
        "$program" "$command" --help 2>/dev/null | sed -n "s/^  dinopatch $command \([a-z][a-z-]*\) .*/\1/p"
    fi
}

# Prints the options of a command, one a line: --name, or --name=VALUE.
__dinopatch_options() {
    "$@" --help=all 2>/dev/null | sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z][a-z0-9-]*(=[^ ]*)?)( .*)?$/\2/p'
}

_dinopatch() {
    local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev= command= verb= value= option word i
    COMPREPLY=()
    ((COMP_CWORD > 0)) && prev=${COMP_WORDS[COMP_CWORD - 1]}
    ((COMP_CWORD > 1)) && command=${COMP_WORDS[1]}
    # "--name=value" comes as three words where '=' breaks words.
    if [[ $cur == = ]]; then
        option=$prev cur=
    elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == --*=* ]]; then
        option=${cur%%=*}
    elif [[ $prev == --* ]]; then
        option=$prev
    fi

    if [[ -z $command ]]; then
        COMPREPLY=($(compgen -W "$(__dinopatch_commands "$program") help version --help --version" -- "$cur"))
        return
    fi
    if [[ $command == help ]]; then
        COMPREPLY=($(compgen -W "$(__dinopatch_commands "$program")" -- "$cur"))
        return
    fi
    local verbs
    verbs=$(__dinopatch_commands "$program" "$command")
    if [[ -n $verbs ]]; then
        if ((COMP_CWORD == 2)); then
            COMPREPLY=($(compgen -W "$verbs --help" -- "$cur"))
            return
        fi
        verb=${COMP_WORDS[2]}
    fi

    local options
    options=$(__dinopatch_options "$program" "$command" ${verb:+"$verb"})
    if [[ -n $option ]]; then
        value=$(sed -n "s/^$option=//p" <<<"$options")
        if [[ $value == *'|'* ]]; then
            # The small words of A|b|c are to be typed as they stand; the large ones stand for something.
            COMPREPLY=($(compgen -W "$(tr '|' '\n' <<<"$value" | sed -n '/^[a-z0-9][a-z0-9_.]*$/p')" -- "${cur#--*=}"))
            return
        elif [[ -n $value ]]; then
            COMPREPLY=($(compgen -f -- "${cur#--*=}"))
            compopt -o filenames 2>/dev/null
            return
        fi
    fi
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$(sed 's/=.*//' <<<"$options")" -- "$cur"))
        return
    fi
    COMPREPLY=($(compgen -f -- "$cur"))
    compopt -o filenames 2>/dev/null
}

complete -F _dinopatch dinopatch
