package telnet_test

import (
	"testing"

	"mudlark.dev/telnet"
)

func TestMSSP(t *testing.T) {
	vars := []telnet.MSSPVar{
		{Name: "NAME", Values: []string{"Mud\x00\x01\x02\nflat ÿ\xff"}},
		{Name: "PORT", Values: []string{"4003", "4000"}},
		{Name: "EMPTY", Values: []string{""}},
		{Name: "", Values: []string{"x"}},
		{Name: "NOTHING"},
	}
	want := "\xff\xfa\x46\x01NAME\x02Mudflat ÿ\x01PORT\x024003\x024000\x01EMPTY\x02\xff\xf0"
	if got := string(telnet.AppendMSSP([]byte(nil), vars)); got != want {
		t.Errorf("AppendMSSP = %q, want %q", got, want)
	}
	want = "\r\nMSSP-REPLY-START\r\nNAME\tMudflat ÿ\r\nPORT\t4003\t4000\r\nEMPTY\t\r\nMSSP-REPLY-END\r\n"
	if got := string(telnet.AppendMSSPText(nil, vars)); got != want {
		t.Errorf("AppendMSSPText = %q, want %q", got, want)
	}
}
