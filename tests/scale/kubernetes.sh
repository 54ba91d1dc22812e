#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manifests of packaging/kubernetes against the types of the Kubernetes API: an unknown or misplaced field, or a wrong type, fails.
#
#     kubernetes.sh SOURCE      needs Go and its module proxy; without them the test is skipped
set -u
cd "$1" || exit 1
skip() {
    echo "$*"
    exit 77
}
manifests=$(pwd)/packaging/kubernetes
go=$(command -v go || echo /usr/local/go/bin/go)
[ -x "$go" ] || skip 'skipped: there is no Go to build the check of the manifests'
top=$(mktemp -d "${TMPDIR:-/tmp}/dinopatch-kubernetes-XXXXXX")
trap 'chmod -R u+w "$top"; rm -rf "$top"' EXIT
cd "$top" || exit 1
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	batch "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	bad := 0
	for _, path := range os.Args[1:] {
		name := "manifest-" + path[strings.LastIndex(path, "/")+1:]
		fmt.Printf("\n[ RUN      ] %s\n", name)
		var job batch.Job
		text, err := os.ReadFile(path)
		if err == nil {
			err = yaml.UnmarshalStrict(text, &job)
		}
		if err == nil && (job.APIVersion != "batch/v1" || job.Kind != "Job" || len(job.Spec.Template.Spec.Containers) != 1) {
			err = fmt.Errorf("is no Job of one container")
		}
		if err == nil && job.Spec.CompletionMode != nil {
			of := fmt.Sprintf("$JOB_COMPLETION_INDEX/%d\"", *job.Spec.Completions)
			if *job.Spec.CompletionMode != batch.IndexedCompletion || !strings.Contains(job.Spec.Template.Spec.Containers[0].Args[0], of) {
				err = fmt.Errorf("the shards are not those of an indexed Job")
			}
		}
		if err != nil {
			fmt.Printf("%s: %v\n[  FAILED  ] %s\n", path, err, name)
			bad = 1
		} else {
			fmt.Printf("[       OK ] %s\n", name)
		}
	}
	os.Exit(bad)
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
{ "$go" mod init check && timeout 300 "$go" get k8s.io/api@v0.32.4 sigs.k8s.io/yaml@v1.4.0 && "$go" mod tidy; } >go.log 2>&1 \
    || skip "skipped: the types of the Kubernetes API cannot be had: $(tail -n 1 go.log)"
"$go" build -o check . >go.log 2>&1 || skip "skipped: the check of the manifests cannot be built: $(tail -n 1 go.log)"
./check "$manifests"/*.yaml
