package hasher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
)

// A world has processes that are goroutines of the test.
type world struct {
	p *Pool

	mu      sync.Mutex
	started []Level
	alive   int
	refuse  error                                      // why none can be started
	serve   func(l Level, in io.Reader, out io.Writer) // what the next ones do instead of Serve
}

func newWorld() *world {
	w := &world{}
	w.p = New(Config{Logger: slog.New(slog.DiscardHandler)})
	w.p.start = w.start
	return w
}

func (w *world) start(l Level) (*child, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, w.refuse
	}
	w.started = append(w.started, l)
	w.alive++
	serve := w.serve
	if serve == nil {
		serve = func(_ Level, in io.Reader, out io.Writer) { Serve(in, out) }
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	go func() {
		serve(l, inR, outW)
		inR.Close()
		outW.Close()
		w.mu.Lock()
		w.alive--
		w.mu.Unlock()
	}()
	return &child{
		level: l, enc: json.NewEncoder(inW), dec: json.NewDecoder(outR),
		end:  func() { inW.Close() },
		kill: func() { inR.Close(); outR.Close() },
	}, nil
}

// counts returns how many processes there are, and how many were started.
func (w *world) counts() (alive, started int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alive, len(w.started)
}

func (w *world) expect(t *testing.T, alive, started int) {
	t.Helper()
	if a, s := w.counts(); a != alive || s != started {
		t.Errorf("%d processes, %d were started; want %d and %d", a, s, alive, started)
	}
}

var want = argon2.IDKey([]byte("secret"), []byte("salt"), 1, 64, 1, 16)

func (w *world) key(t *testing.T, ctx context.Context) {
	t.Helper()
	key, err := w.p.Key(ctx, []byte("secret"), []byte("salt"), 1, 64, 1, 16)
	if err != nil || !bytes.Equal(key, want) {
		t.Errorf("Key = %x, %v; want %x", key, err, want)
	}
}

func TestProcessesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.expect(t, 0, 0)
		w.key(t, t.Context())
		w.expect(t, 1, 1)
		time.Sleep(idlePeriod - time.Second)
		w.key(t, t.Context())
		time.Sleep(idlePeriod - time.Second)
		w.expect(t, 1, 1)
		time.Sleep(time.Second)
		w.expect(t, 0, 1)
		var wg sync.WaitGroup
		gate := make(chan struct{})
		w.serve = func(_ Level, in io.Reader, out io.Writer) { <-gate; Serve(in, out) }
		for range 3 {
			wg.Go(func() { w.key(t, t.Context()) })
		}
		w.expect(t, 3, 4)
		close(gate)
		wg.Wait()
		w.p.Close()
		w.expect(t, 0, 4)
		w.key(t, t.Context()) // in this process
		w.expect(t, 0, 4)
	})
}

func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.serve = func(_ Level, in io.Reader, out io.Writer) { io.Copy(io.Discard, in) } // until it is killed
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if _, err := w.p.Key(ctx, nil, nil, 1, 64, 1, 16); err != gone {
			t.Errorf("Key = %v, want %v", err, gone)
		}
		w.expect(t, 0, 1)
		w.serve = nil
		w.key(t, t.Context())
		w.p.Close()
		w.expect(t, 0, 2)
	})
}

// A process that gets no processor gives way to one of higher priority.
func TestNoProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.serve = func(l Level, in io.Reader, out io.Writer) {
			if l == Idle {
				io.Copy(io.Discard, in)
				return
			}
			Serve(in, out)
		}
		start := time.Now()
		w.key(t, t.Context())
		if took := time.Since(start); took != patience {
			t.Errorf("the key took %v, want %v", took, patience)
		}
		w.key(t, t.Context())
		w.expect(t, 1, 2)
		time.Sleep(nicePeriod)
		w.serve = nil
		w.key(t, t.Context())
		w.expect(t, 1, 3)
		if last := w.started[2]; last != Idle {
			t.Errorf("after a while the level is %v, want %v", last, Idle)
		}
		w.p.Close()
		w.expect(t, 0, 3)
	})
}

func TestProcessDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		one := func(_ Level, in io.Reader, out io.Writer) { // dies at its second request
			dec := json.NewDecoder(in)
			var r request
			dec.Decode(&r)
			key, _ := r.key()
			json.NewEncoder(out).Encode(&reply{Key: key})
			dec.Decode(&r)
		}
		w.serve = one
		w.key(t, t.Context())
		w.key(t, t.Context())
		w.expect(t, 1, 2)
		w.serve = func(Level, io.Reader, io.Writer) {} // dies at once
		w.key(t, t.Context())
		w.expect(t, 0, 3)
		w.serve = nil
		w.key(t, t.Context()) // none is started for a while
		w.expect(t, 0, 3)
		time.Sleep(retryPeriod)
		w.key(t, t.Context())
		w.expect(t, 1, 4)
		w.p.Close()
		w.expect(t, 0, 4)
	})
}

func TestNoProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuse = errors.New("no more processes")
		w.key(t, t.Context())
		w.p.here <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.p.Key(ctx, nil, nil, 1, 64, 1, 16); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Key while another is computed here = %v", err)
		}
		<-w.p.here
		w.key(t, t.Context())
		w.expect(t, 0, 0)
	})
}

// What argon2 panics at is an error of the one who asked.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for range 2 {
			var refused refusedError
			if key, err := w.p.Key(t.Context(), nil, nil, 0, 64, 1, 16); key != nil || !errors.As(err, &refused) {
				t.Errorf("Key without passes = %x, %v", key, err)
			}
		}
		w.key(t, t.Context())
		w.expect(t, 1, 1)
		w.p.Close()
		w.expect(t, 0, 1)
	})
}

func TestServe(t *testing.T) {
	for _, in := range []string{"no request", `{"Time":`} {
		if err := Serve(bytes.NewReader([]byte(in)), io.Discard); err == nil {
			t.Errorf("Serve of %q = nil", in)
		}
	}
	if err := Serve(bytes.NewReader(nil), io.Discard); err != nil {
		t.Errorf("Serve of nothing = %v", err)
	}
}

func TestLevel(t *testing.T) {
	for _, l := range []Level{Idle, Nice} {
		if got, err := ParseLevel(l.String()); got != l || err != nil {
			t.Errorf("ParseLevel(%q) = %v, %v", l.String(), got, err)
		}
	}
	if _, err := ParseLevel("none"); err == nil {
		t.Error(`ParseLevel("none") = nil`)
	}
}

const levelEnv = "HASHER_TEST_LEVEL"

func TestMain(m *testing.M) {
	if name := os.Getenv(levelEnv); name != "" {
		l, err := ParseLevel(name)
		if err == nil {
			err = Lower(l)
		}
		if err == nil {
			err = wholeLevel(l)
		}
		if err == nil {
			err = Serve(os.Stdin, os.Stdout)
		}
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Real processes of both levels compute keys, and end.
func TestRealProcesses(t *testing.T) {
	for _, l := range []Level{Idle, Nice} {
		t.Run(l.String(), func(t *testing.T) {
			var cmd *exec.Cmd
			var stderr bytes.Buffer
			p := New(Config{Command: func(l Level) *exec.Cmd {
				cmd = exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), levelEnv+"="+l.String())
				cmd.Stderr = &stderr
				return cmd
			}})
			if l == Nice {
				p.niceUntil = time.Now().Add(time.Hour)
			}
			w := &world{p: p}
			w.key(t, t.Context())
			w.key(t, t.Context())
			p.mu.Lock()
			n := len(p.free)
			p.mu.Unlock()
			if n != 1 {
				t.Fatalf("%d processes have nothing to do, want 1; it says: %s", n, stderr.String())
			}
			p.Close()
		})
	}
}
