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
	started int
	alive   int
	refuse  error                             // why none can be started
	serve   func(in io.Reader, out io.Writer) // what the next ones do instead of Serve
}

func newWorld() *world {
	w := &world{}
	w.p = New(Config{Logger: slog.New(slog.DiscardHandler)})
	w.p.start = w.start
	return w
}

func (w *world) start() (*child, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, w.refuse
	}
	w.started++
	w.alive++
	serve := w.serve
	if serve == nil {
		serve = func(in io.Reader, out io.Writer) { Serve(in, out) }
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	go func() {
		serve(inR, outW)
		inR.Close()
		outW.Close()
		w.mu.Lock()
		w.alive--
		w.mu.Unlock()
	}()
	return &child{
		enc: json.NewEncoder(inW), dec: json.NewDecoder(outR),
		end:  func() { inW.Close() },
		kill: func() { inR.Close(); outR.Close() },
	}, nil
}

// counts returns how many processes there are, and how many were started.
func (w *world) counts() (alive, started int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alive, w.started
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
		w.serve = func(in io.Reader, out io.Writer) { <-gate; Serve(in, out) }
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
		w.serve = func(in io.Reader, out io.Writer) { io.Copy(io.Discard, in) } // until it is killed
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

func TestProcessDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		one := func(in io.Reader, out io.Writer) { // dies at its second request
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
		w.serve = func(io.Reader, io.Writer) {} // dies at once
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

const childEnv = "HASHER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	err := Lower()
	if err == nil {
		err = isLow()
	}
	if err == nil {
		err = Serve(os.Stdin, os.Stdout)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// A real process has its priority, computes keys, and is kept.
func TestRealProcess(t *testing.T) {
	var stderr bytes.Buffer
	p := New(Config{Command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1")
		cmd.Stderr = &stderr
		return cmd
	}})
	w := &world{p: p}
	w.key(t, t.Context())
	w.key(t, t.Context())
	p.mu.Lock()
	free := p.free
	p.mu.Unlock()
	if len(free) != 1 || free[0].keys != 2 {
		t.Fatalf("%d processes have nothing to do, want one that has computed two keys; it says: %s", len(free), stderr.String())
	}
	p.Close()
}
