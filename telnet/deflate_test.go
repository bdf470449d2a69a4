package telnet_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"mudlark.dev/internal/require"
	"mudlark.dev/telnet"
)

const (
	someLine = "\x1b[1;36mAda\x1b[0m says, \"The tide comes in over the flats, and a lark goes up singing.\"\r\n"
	someRoom = "\x1b[1;36mThe Ferry Jetty\x1b[0m\r\nTarred planks run out over the water and stop, as if the carpenter had been called away. " +
		"A bell hangs from a post at the end. The river is brown and wide here and takes its time; on the far side, through the haze, " +
		"somebody else's chimneys smoke. A lane leads up from the shore.\r\n\x1b[1mExits\x1b[0m: up\r\nHere: Ada, Bob\r\n"
)

// writes returns what a game may write: texts that are alike, noise, runs, bytes
// of 255, much and little.
func writes(rng *rand.Rand) [][]byte {
	var out [][]byte
	for range 1 + rng.IntN(80) {
		n := rng.IntN(300)
		if rng.IntN(30) == 0 {
			n = rng.IntN(200_000)
		}
		p := make([]byte, n)
		switch rng.IntN(5) {
		case 0:
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
		case 1:
			for i := range p {
				p[i] = "abc"[rng.IntN(3)]
			}
		case 2:
			for i := range p {
				p[i] = 255
			}
		case 3:
			copy(p, strings.Repeat(someRoom[rng.IntN(100):], n/len(someRoom)+2))
		default:
			copy(p, strings.Repeat(someLine, n/len(someLine)+1))
		}
		out = append(out, p)
	}
	return out
}

// A stream can be read by zlib up to the end of each write, through changes of
// hands and several streams, and its checksum is right.
func TestDeflater(t *testing.T) {
	var d telnet.Deflater
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		pr, pw := io.Pipe()
		reads := make(chan []byte)
		go func() {
			defer close(reads)
			r, err := zlib.NewReader(pr)
			if err != nil {
				t.Error(err)
				pr.CloseWithError(err)
				return
			}
			for {
				buf := make([]byte, 64<<10)
				n, err := r.Read(buf)
				if n > 0 {
					reads <- buf[:n]
				}
				if err != nil {
					if err != io.EOF {
						t.Errorf("seed %d: %v", seed, err)
					}
					pr.CloseWithError(err)
					return
				}
			}
		}()
		for _, p := range writes(rng) {
			out := d.Append([]byte("x"), p)[1:]
			if len(p) == 0 && len(out) != 0 {
				t.Fatalf("nothing is compressed to %q", out)
			}
			if worst := len(p) + 5*(len(p)/65535+2) + 2; len(p) > 0 && len(out) > worst {
				t.Fatalf("seed %d: %d bytes become %d", seed, len(p), len(out))
			}
			go pw.Write(out)
			for len(p) > 0 {
				got, ok := <-reads
				if !ok {
					t.Fatalf("seed %d: the stream ends before its time", seed)
				}
				if len(got) > len(p) || !bytes.Equal(got, p[:len(got)]) {
					t.Fatalf("seed %d: read %.40q, want %.40q", seed, got, p)
				}
				p = p[len(got):]
			}
			if rng.IntN(8) == 0 {
				state, err := d.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				d = telnet.Deflater{}
				if err := d.UnmarshalBinary(state); err != nil {
					t.Fatal(err)
				}
			}
		}
		go pw.Write(d.AppendEnd(nil))
		if got, ok := <-reads; ok {
			t.Fatalf("seed %d: %q behind the end", seed, got)
		}
	}
	if d.In() == 0 || d.Out() == 0 || d.Out() > d.In() {
		t.Errorf("%d bytes in, %d out", d.In(), d.Out())
	}
}

// A stream that nothing was written to is a stream.
func TestDeflaterEmpty(t *testing.T) {
	var d telnet.Deflater
	for range 2 {
		r, err := zlib.NewReader(bytes.NewReader(d.AppendEnd(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || len(got) != 0 {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestDeflaterSize(t *testing.T) {
	if n := unsafe.Sizeof(telnet.Deflater{}); n > 10<<10 {
		t.Errorf("a Deflater has %d bytes, the limit is 10 KiB", n)
	}
	var d telnet.Deflater
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = d.Append(dst[:0], []byte(someRoom)) }); n > 0 {
		t.Errorf("%v allocations a write", n)
	}
}

// The zlib that clients have reads it as well.
func TestDeflaterOtherZlib(t *testing.T) {
	python := require.Program(t, "python3")
	var d telnet.Deflater
	var in, want []byte
	for _, p := range writes(rand.New(rand.NewPCG(7, 7))) {
		in, want = d.Append(in, p), append(want, p...)
	}
	in = d.AppendEnd(in)
	cmd := exec.Command(python, "-c", "import sys,zlib\nd=zlib.decompressobj()\nsys.stdout.buffer.write(d.decompress(sys.stdin.buffer.read()))\nassert d.eof")
	cmd.Stdin = bytes.NewReader(in)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("it reads %d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestDeflaterBadState(t *testing.T) {
	var d telnet.Deflater
	d.Append(nil, []byte(someLine))
	good, _ := d.MarshalBinary()
	for name, bad := range map[string][]byte{
		"empty": nil, "cut short": good[:len(good)-1], "too long": append(bytes.Clone(good), 0), "another version": append([]byte{99}, good[1:]...),
		"neither begun nor not": append([]byte{good[0], 2}, good[2:]...),
	} {
		if err := d.UnmarshalBinary(bad); !errors.Is(err, telnet.ErrBadState) {
			t.Errorf("%s: UnmarshalBinary = %v, want ErrBadState", name, err)
		}
	}
	if again, _ := d.MarshalBinary(); !bytes.Equal(again, good) {
		t.Error("a bad state has changed it")
	}
}

func FuzzDeflater(f *testing.F) {
	f.Add([]byte(someLine), []byte(someRoom), uint8(3))
	f.Add([]byte(strings.Repeat("a", 1000)), []byte{}, uint8(200))
	f.Fuzz(func(t *testing.T, a, b []byte, times uint8) {
		var d telnet.Deflater
		var out, want []byte
		for range times%20 + 1 {
			out, want = d.Append(d.Append(out, a), b), append(append(want, a...), b...)
		}
		r, err := zlib.NewReader(bytes.NewReader(d.AppendEnd(out)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v, %d bytes of %d", err, len(got), len(want))
		}
	})
}

// Whatever a state claims, going on with it breaks nothing.
func FuzzDeflaterState(f *testing.F) {
	var d telnet.Deflater
	d.Append(nil, []byte(someRoom))
	state, _ := d.MarshalBinary()
	f.Add(state)
	f.Fuzz(func(t *testing.T, state []byte) {
		var d telnet.Deflater
		if d.UnmarshalBinary(state) == nil {
			d.AppendEnd(d.Append(nil, []byte(someRoom+someRoom)))
		}
	})
}

// BenchmarkDeflate compresses as a game writes, beside the compressor of the
// standard library. "out/in" is how much is left.
func BenchmarkDeflate(b *testing.B) {
	lines := strings.SplitAfter(transcript(), "\n")
	for _, bb := range []struct {
		name   string
		pieces []string
	}{{"lines", lines}, {"room", []string{someRoom}}, {"page", []string{transcript()[:4096]}}} {
		size := 0
		for _, p := range bb.pieces {
			size += len(p)
		}
		b.Run(bb.name+"/own", func(b *testing.B) {
			var d telnet.Deflater
			var dst []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range bb.pieces {
					dst = d.Append(dst[:0], []byte(p))
				}
			}
			b.ReportMetric(float64(d.Out())/float64(d.In()), "out/in")
		})
		b.Run(bb.name+"/zlib", func(b *testing.B) {
			var out counter
			w := zlib.NewWriter(&out)
			in := 0
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, p := range bb.pieces {
					io.WriteString(w, p)
					w.Flush()
					in += len(p)
				}
			}
			b.ReportMetric(float64(out)/float64(in), "out/in")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// transcript is what a player might read in some minutes.
func transcript() string {
	rng := rand.New(rand.NewPCG(3, 3))
	who := []string{"Ada", "Bob", "Cyd", "Dorothea", "Einar", "a grey gull", "the ferryman"}
	does := []string{"says, \"%s\"", "whispers something to %s.", "leaves: %s", "arrives from %s", "picks up %s.", "drops %s."}
	what := strings.Fields("tide lark mud river bell post lane planks shore chimneys haze carpenter water flats reed heron rope lantern oar boat north south up down out in slowly again never always the a of to and with over under behind")
	var b strings.Builder
	for b.Len() < 64<<10 {
		if rng.IntN(6) == 0 {
			b.WriteString(someRoom)
			continue
		}
		var words []string
		for range 1 + rng.IntN(14) {
			words = append(words, what[rng.IntN(len(what))])
		}
		b.WriteString("\x1b[1m" + who[rng.IntN(len(who))] + "\x1b[0m " + strings.Replace(does[rng.IntN(len(does))], "%s", strings.Join(words, " "), 1) + "\r\n")
	}
	return b.String()
}
