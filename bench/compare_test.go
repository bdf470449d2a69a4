package bench_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"mudlark.dev/internal/require"
)

// What is wrong with the arguments is said before anything is built.
func TestCompareArguments(t *testing.T) {
	bash := require.Program(t, "bash")
	tests := []struct {
		args string
		want string
		code int
	}{
		{args: "-h", want: "usage: bench/compare BASE HEAD"},
		{args: "", want: "error: two commits and a package are needed\nhint: bench/compare -h shows", code: 2},
		{args: "main .", want: "error: no package is named\nhint: name packages", code: 2},
		{args: "main . -count", want: "error: -count needs a value\n", code: 2},
		{args: "main . -count 0 ./link", want: "error: -count 0 is no number from 1 to 9999\n", code: 2},
		{args: "main . -cout 3 ./link", want: "error: there is no option -cout\n", code: 2},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		cmd := exec.Command(bash, append([]string{"compare"}, strings.Fields(tt.args)...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		code := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), tt.want) || code != tt.code {
			t.Errorf("compare %s: code %d, output %q, want code %d, output that begins with %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}
