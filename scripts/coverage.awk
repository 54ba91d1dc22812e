# SPDX-License-Identifier: Apache-2.0
# Adds up the output of gcov: lines and branches that ran, for each file, for each folder and in total.
#
#     awk -v least=90 -v lines=FILE -f coverage.awk FILE...
#     awk -v only=REGEX -f coverage.awk FILE...
#
# A line that is compiled into several objects (a header of kernels, for example) counts once; it has run if it ran in any of them.
# `lines` receives "path:line: text" of every line that did not run.  The exit code is 1 below `least` per cent of the lines.
# With `only`, prints each file of src/, io/ and cli/ whose path matches, and their total.
function begin_file(path) {
    sub("^.*/src/", "src/", path)
    sub("^.*/cli/", "cli/", path)
    sub("^.*/io/(picture|draw|files)", "io/&", path)
    sub("^io/.*/io/", "io/", path)
    file = (only == "" ? path ~ /^(src|io|cli\/fetch)\// : path ~ only) ? path : ""
    if (file != "" && !(file in known)) {
        known[file] = 1
        names[++n_names] = file
    }
    here = ""
}

# "        -:    0:Source:../src/bank/bank.c"
/^ *-: *0:Source:/ {
    begin_file(substr($0, index($0, "Source:") + 7))
    next
}
file == "" { next }

/^branch / {
    if (here == "")
        next
    key = here SUBSEP branch++
    taken = $3 == "taken" && $4 + 0 > 0
    if (!(key in branches)) {
        branches[key] = 0
        all_branches[file]++
    }
    if (taken && !branches[key]) {
        branches[key] = 1
        run_branches[file]++
    }
    next
}
/^(call|unconditional|function) / { next }
/^-+$/ { next } # of functions that an object contains more than once
/^[^:]*:$/ { next }

{
    at = index($0, ":")
    count = substr($0, 1, at - 1)
    rest = substr($0, at + 1)
    number = rest + 0
    gsub(/[ *]/, "", count)
    if (number == 0 || count == "-")
        next
    here = file SUBSEP number
    branch = 0
    ran = count !~ /^[#=%$]/
    if (!(here in seen)) {
        seen[here] = 0
        all[file]++
        text[here] = substr(rest, index(rest, ":") + 1)
    }
    if (ran && !seen[here]) {
        seen[here] = 1
        hit[file]++
    }
}

function share(part, whole) {
    return whole ? sprintf("%5.1f", int(1000 * part / whole) / 10) : "    -"
}
function show(name, lines_run, lines_all, branches_run, branches_all) {
    printf "%-36s %6d of %6d lines %s %%   %6d of %6d branches %s %%\n", name, lines_run, lines_all, share(lines_run, lines_all),
        branches_run, branches_all, share(branches_run, branches_all)
}

END {
    for (i = 1; i <= n_names; i++) {
        f = names[i]
        folder = f
        sub("/[^/]*$", "/", folder)
        if (!(folder in folder_all))
            folders[++n_folders] = folder
        folder_all[folder] += all[f]; folder_hit[folder] += hit[f]
        folder_branches[folder] += all_branches[f]; folder_run[folder] += run_branches[f]
        total += all[f]; total_hit += hit[f]
        total_branches += all_branches[f]; total_run += run_branches[f]
    }
    if (!total) {
        print "coverage: nothing was measured"
        exit 1
    }
    for (here in seen)
        if (!seen[here] && lines != "") {
            split(here, part, SUBSEP)
            printf "%s:%d:%s\n", part[1], part[2], text[here] > lines
        }
    if (only != "") {
        for (i = 1; i <= n_names; i++)
            if (all[names[i]])
                show(names[i], hit[names[i]], all[names[i]], run_branches[names[i]], all_branches[names[i]])
        show("these", total_hit, total, total_run, total_branches)
        exit 0
    }
    for (i = 1; i <= n_names; i++)
        if (all[names[i]] && hit[names[i]] < 0.01 * least * all[names[i]])
            show(names[i], hit[names[i]], all[names[i]], run_branches[names[i]], all_branches[names[i]])
    print ""
    for (i = 1; i <= n_folders; i++)
        show(folders[i], folder_hit[folders[i]], folder_all[folders[i]], folder_run[folders[i]], folder_branches[folders[i]])
    show("all", total_hit, total, total_run, total_branches)
    if (total_hit < 0.01 * least * total) {
        printf "coverage: less than %g %% of the lines\n", least
        exit 1
    }
}
