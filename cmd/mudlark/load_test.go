package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Ten players send numbered lines while the Server is reloaded three times:
// each line is answered once and in order, and nobody is disconnected.
func TestReloadUnderLoad(t *testing.T) {
	g := startGame(t, "counting", t.TempDir(), unlimited...)
	load(t, g, 10, 1000, 3, func(int) { g.run("reload") })
}

// The same with the Server killed ten times: each line also takes effect once.
func TestKillUnderLoad(t *testing.T) {
	g := startGame(t, "counting", t.TempDir(), unlimited...)
	last := 0
	load(t, g, 10, 500, 10, func(int) {
		g.until("another Server is attached", func() bool {
			st := g.status()
			if st.Server.State != "attached" || st.Server.PID == last {
				return false
			}
			last = st.Server.PID
			return true
		})
		if err := syscall.Kill(last, syscall.SIGKILL); err != nil {
			t.Errorf("kill %d: %v", last, err)
		}
	})
}

// load has players send lines, with trouble made times meanwhile, and checks
// that each line was counted and answered once, in order.
func load(t *testing.T, g *game, players, lines, times int, trouble func(int)) {
	var all []*player
	for i := range players {
		all = append(all, g.login("Player"+strconv.Itoa(i)))
	}
	var wg sync.WaitGroup
	troubled := make(chan struct{})
	wg.Go(func() {
		defer close(troubled)
		for i := range times {
			trouble(i)
		}
	})
	for i, p := range all {
		wg.Go(func() {
			// Half of what is to be sent goes on while there is trouble, the
			// rest comes when it is over, so that both are seen.
			for n := 1; n <= lines; n++ {
				p.send("count " + word(i, n))
				if n%20 == 0 {
					p.expect(regexp.QuoteMeta(word(i, n)))
				}
				if n == lines-lines/10 {
					<-troubled
				}
			}
			p.send("say done")
			p.expect(`You say, "done"`)
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	answer := regexp.MustCompile(`counted (\d+) w(\d+)\.(\d+)\.`)
	for i, p := range all {
		found := answer.FindAllStringSubmatch(p.all(), -1)
		if len(found) != lines {
			t.Errorf("%s: %d lines were answered %d times", p.name, lines, len(found))
		}
		for k, f := range found {
			if want := strconv.Itoa(k + 1); f[1] != want || f[2] != strconv.Itoa(i) || f[3] != want {
				t.Errorf("%s: answer %d is %q", p.name, k+1, f[0])
				break
			}
		}
		if strings.Contains(p.all(), "interrupted") {
			t.Errorf("%s was told of an interruption", p.name)
		}
	}
}

// A command that never returns is found by the watchdog, which writes down where
// the loop stands and replaces the Server.
func TestHang(t *testing.T) {
	g := startGame(t, "counting", t.TempDir(), append(unlimited, "server.hang=1s")...)
	ada := g.login("Ada")
	pid := g.status().Server.PID
	ada.send("spin")
	g.until("the Server is replaced", func() bool {
		st := g.status()
		return st.Server.State == "attached" && st.Server.PID != pid && strings.Contains(st.Server.Cause, "no answer for")
	})
	log, err := os.ReadFile(filepath.Join(g.dir, "log", "server.log"))
	if err != nil || !strings.Contains(string(log), "countingGame") {
		t.Errorf("the log does not tell where the loop stood (%v)", err)
	}
}
