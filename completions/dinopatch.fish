# SPDX-License-Identifier: Apache-2.0
# fish completion for dinopatch.  Commands, options and their values are read off the program's own --help.

function __dinopatch_words --description 'the words typed so far, without options'
    string match --invert -- '-*' (commandline --tokenize --cut-at-cursor --current-process)
end

function __dinopatch_commands --description 'command<tab>what it does'
    dinopatch --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1\t\2/p'
end

function __dinopatch_verbs --description 'the commands of bank and of model'
    set -l words (__dinopatch_words)
    dinopatch $words[2] --help 2>/dev/null | sed -nE "s/^  dinopatch $words[2] ([a-z][a-z-]*) .*/\1/p"
end

function __dinopatch_at --description 'whether as many words stand before the cursor' --argument-names n
    test (count (__dinopatch_words)) = $n
end

function __dinopatch_lines --description 'lines of --help that begin with an option'
    set -l words (__dinopatch_words)
    set -l command $words[2]
    test -n "$command"; or return
    set -l verbs (__dinopatch_verbs)
    if test -n "$words[3]"; and contains -- $words[3] $verbs
        set command $command $words[3]
    end
    dinopatch $command --help=all 2>/dev/null \
        | sed -E ':a;N;$!ba;s/\n {28}/ /g' | sed -nE 's/^ +(-[a-zA-Z], )?--([a-z][a-z0-9-]*)(=([^ ]*))?( +(.*))?$/\2\t\4\t\6/p'
end

function __dinopatch_options --description '--option<tab>what it does, or the values of the option before the cursor'
    set -l before (commandline --tokenize --cut-at-cursor --current-process)[-1]
    set -l current (commandline --current-token --cut-at-cursor)
    set -l option (string match --regex --groups-only -- '^--([a-z0-9-]+)=' $current)
    set -l typed $option
    test -n "$option"; or set option (string match --regex --groups-only -- '^--([a-z0-9-]+)$' $before)
    for line in (__dinopatch_lines)
        set -l parts (string split \t -- $line)
        if test -n "$option"; and test "$parts[1]" = "$option"; and string match --quiet -- '*|*' $parts[2]
            # The small words of A|b|c are to be typed as they stand; the large ones stand for something.
            for value in (string match --regex -- '^[a-z0-9][a-z0-9_.]*$' (string split '|' -- $parts[2]))
                if test -n "$typed"
                    echo "--$option=$value"
                else
                    echo $value
                end
            end
            return
        end
    end
    for line in (__dinopatch_lines)
        set -l parts (string split \t -- $line)
        printf '%s\t%s\n' "--$parts[1]" "$parts[3]"
    end
end

complete --command dinopatch --condition '__dinopatch_at 1' --no-files --arguments '(__dinopatch_commands)'
complete --command dinopatch --condition '__dinopatch_at 1' --no-files --arguments 'help version --help --version'
complete --command dinopatch --condition '__dinopatch_at 2' --arguments '(__dinopatch_verbs)'
complete --command dinopatch --condition 'not __dinopatch_at 1' --arguments '(__dinopatch_options)'
