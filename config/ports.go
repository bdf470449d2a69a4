package config

import (
	"fmt"
	"slices"
	"strings"
)

// TelnetOptions returns the names of the telnet options that can be switched.
func TelnetOptions() []string {
	return []string{"ttype", "naws", "new-environ", "charset", "mccp2", "mccp3", "mssp", "gmcp", "msdp", "mxp", "eor", "sga"}
}

// Port splits an entry of Telnet.Listen into the address and the words after it:
// options that are switched, and "charset=" with the name of an encoding.
func Port(entry string) (addr string, words []string) {
	words = strings.Fields(entry)
	if len(words) == 0 {
		return "", nil
	}
	return words[0], words[1:]
}

// checkPorts checks entries of Telnet.Listen.
func checkPorts(entries []string) error {
	for _, e := range entries {
		addr, words := Port(e)
		if err := checkAddr(addr); err != nil {
			return err
		}
		if err := checkOptions(words, true); err != nil {
			return err
		}
	}
	return nil
}

// checkOptions checks words that switch options.
func checkOptions(words []string, charset bool) error {
	for _, w := range words {
		if name, ok := strings.CutPrefix(w, "charset="); ok && charset && name != "" {
			continue
		}
		name := w
		if w != "" && (w[0] == '-' || w[0] == '+') {
			name = w[1:]
		}
		if !slices.Contains(TelnetOptions(), strings.ToLower(name)) {
			return fmt.Errorf("there is no telnet option %q; there are %s", w, strings.Join(TelnetOptions(), ", "))
		}
	}
	return nil
}
