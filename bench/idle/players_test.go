package idle

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mudlark.dev/command"
	"mudlark.dev/command/builtin"
	"mudlark.dev/launch"
	"mudlark.dev/server"
	"mudlark.dev/world"
)

var (
	playersFlag = flag.Int("players", 2000, "how many players BenchmarkPlayers logs in")
	restFlag    = flag.Duration("rest", 45*time.Second, "how long BenchmarkPlayers leaves them alone before it looks")
	rateFlag    = flag.Int("rate", 500, "how many players a second BenchmarkPlayers logs in at most")
	heapFlag    = flag.String("heap", "", "a folder for heap profiles of both processes, of an empty and of a full game")
)

const (
	gameEnv    = "_MUDLARK_IDLE_GAME"  // set: this process plays the game
	exactEnv   = "_MUDLARK_IDLE_EXACT" // set: its profiles are exact, which takes memory
	inEachRoom = 10
	done       = "You see: the end of the pier"
)

// TestMain makes the test's program the game's, whose processes tell of their
// memory when they are sent SIGUSR1.
func TestMain(m *testing.M) {
	if dir := os.Getenv(gameEnv); dir != "" {
		if os.Getenv(exactEnv) != "" {
			runtime.MemProfileRate = 512
		}
		tell := make(chan os.Signal, 1)
		signal.Notify(tell, syscall.SIGUSR1)
		go func() {
			for range tell {
				if err := writeMemory(dir); err != nil {
					fmt.Fprintln(os.Stderr, "error:", err)
				}
			}
		}()
		launch.Main(launch.Game{Game: game()})
	}
	os.Exit(m.Run())
}

// game returns a game whose clients play as they connect: the hash of a password
// takes 19 MiB, which would be all that is seen.
func game() server.Game {
	players := 0
	var at *world.Room
	enter := func(c *command.Call) error {
		w := c.World
		if players%inEachRoom == 0 {
			at = w.NewRoom("The Ferry Jetty")
			at.SetDesc(strings.Repeat("Tarred planks run out over the |wwater|n and stop, as if the carpenter had been called away. ", 3))
			w.NewExit("up", at, w.StartRoom())
			w.NewObject("the end of the pier", at)
		}
		players++
		name := fmt.Sprintf("Player%d", players)
		a, err := w.NewAccount(name, world.Password("$argon2id$v=19$m=19456,t=2,p=1$bXVkbGFyay1uby1hY2NvdW50$Q2Fubm90TWF0Y2hBbnlQYXNzd29yZDAxMjM0NTY3ODk"))
		if err != nil {
			return err
		}
		a.AddPerm("Player")
		ch, err := w.NewCharacter(name, at)
		if err != nil {
			return err
		}
		return errors.Join(a.AddCharacter(ch), c.Session.Login(a), c.Session.SetPuppet(ch), c.Look())
	}
	sets := builtin.Sets()
	for _, set := range sets {
		if set.Name == "unloggedin" {
			set.Commands = []*command.Command{{Key: command.LoginStart, Hidden: true, Run: enter}}
		}
	}
	return server.Game{Name: "Idle", Version: "1", CmdSets: sets, Build: func(w *world.World) error {
		w.SetStartRoom(w.NewRoom("The Mudflats"))
		return nil
	}}
}

// A memory is what a process tells of itself, in bytes.
type memory struct {
	Heap, Stack, Runtime, Idle int64 // live objects; stacks; what the runtime needs for both; free and not returned to the system
	Goroutines                 int64
	RSS                        int64 // of the process, once all that is free was returned
	RSSBefore                  int64 // of the process as it was, before it was asked to collect
}

// writeMemory writes a memory, and the heap's profile, to files of this process.
func writeMemory(dir string) error {
	before := rss(os.Getpid())
	debug.FreeOSMemory() // it shrinks stacks by half at most
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	var profile bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&profile, 0); err != nil {
		return err
	}
	debug.FreeOSMemory()
	m := memory{
		Heap: int64(ms.HeapAlloc), Stack: int64(ms.StackInuse), Goroutines: int64(runtime.NumGoroutine()),
		Runtime: int64(ms.MSpanSys + ms.MCacheSys + ms.GCSys + ms.BuckHashSys + ms.OtherSys + ms.StackSys - ms.StackInuse),
		Idle:    int64(ms.HeapInuse - ms.HeapAlloc),
		RSS:     rss(os.Getpid()), RSSBefore: before,
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(name+".heap", profile.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name+".json")
}

// rss returns the memory of a process in bytes; 0 if the system does not tell.
func rss(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// askMemory has a process tell of its memory.
func askMemory(b *testing.B, dir string, pid int) (m memory) {
	b.Helper()
	name := filepath.Join(dir, strconv.Itoa(pid)+".json")
	os.Remove(name)
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		b.Fatal(err)
	}
	until(b, "a process tells of its memory", func() bool {
		text, err := os.ReadFile(name)
		return err == nil && json.Unmarshal(text, &m) == nil
	})
	return m
}

func until(b *testing.B, what string, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("this does not come about:", what)
		}
	}
}

// A played game is one in its two processes.
type played struct {
	dir            string
	addr           string
	portal, server int // processes
}

// play plays the game until the benchmark ends.
func play(b *testing.B) *played {
	b.Helper()
	dir, err := os.MkdirTemp("", "idle") // short, as the name of a socket has to be
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "run", "--dir", dir, "--set", "telnet.listen=127.0.0.1:0",
		"--set", "limits.connections_per_second=0", "--set", "limits.connections_per_address=0")
	cmd.Env = append(os.Environ(), gameEnv+"="+dir)
	if *heapFlag != "" {
		cmd.Env = append(cmd.Env, exactEnv+"=1")
	}
	console, err := os.Create(filepath.Join(dir, "console"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		console.Close()
	})
	g := &played{dir: dir, portal: cmd.Process.Pid}
	at := regexp.MustCompile(`running at (127\.0\.0\.1:\d+)`)
	until(b, "the game is ready", func() bool {
		text, _ := os.ReadFile(console.Name())
		if m := at.FindSubmatch(text); m != nil {
			g.addr = string(m[1])
		}
		return g.addr != "" && bytes.Contains(text, []byte("is ready"))
	})
	var st struct {
		Server struct{ PID int }
	}
	var out bytes.Buffer
	if code := launch.Run(b.Context(), launch.Game{Game: game()}, []string{"status", "--json", "--dir", dir}, launch.Stdio{Out: &out, Err: os.Stderr}); code != 0 {
		b.Fatal("the game does not tell of its Server")
	}
	if err := json.Unmarshal(out.Bytes(), &st); err != nil {
		b.Fatal(err)
	}
	g.server = st.Server.PID
	return g
}

func sub(option byte, payload string) string {
	return "\xff\xfa" + string(option) + payload + "\xff\xf0"
}

// agrees is what a client with all options says: TTYPE, NAWS, NEW-ENVIRON, CHARSET
// and GMCP.
var agrees = "\xff\xfb\x18" + sub(24, "\x00MUDLET") + sub(24, "\x00ANSI-TRUECOLOR") + sub(24, "\x00MTTS 2349") +
	"\xff\xfb\x1f" + sub(31, "\x00\x84\x00\x29") +
	"\xff\xfb\x27" + sub(39, "\x00\x00CLIENT_NAME\x01MUDLET\x00CLIENT_VERSION\x014.17\x00CHARSET\x01UTF-8") +
	"\xff\xfd\x2a" + sub(42, "\x02UTF-8") +
	"\xff\xfd\x03\xff\xfd\x19" +
	"\xff\xfd\xc9" + sub(201, `Core.Hello {"client":"Mudlet","version":"4.17"}`) + sub(201, `Core.Supports.Set ["Char 1","Room 1"]`)

const mccp2 = "\xff\xfd\x56"

// enter connects a client that says so much of itself, types a line, and reads until
// it is answered.
func enter(addr string, i int, says string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i/20000), byte(1+i%200))}, Timeout: time.Minute}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 8192)
	n, err := c.Read(buf)
	if err != nil {
		return c, err
	}
	if says == "" {
		for i := 0; i+2 < n; i += 3 { // nothing but requests has come
			says += "\xff" + string([]byte{map[byte]byte{0xfb: 0xfe, 0xfd: 0xfc}[buf[i+1]], buf[i+2]})
		}
	}
	if _, err := io.WriteString(c, says+"look\r\n"); err != nil {
		return c, err
	}
	// It looks as it enters, and by its own line.
	r := io.Reader(c)
	if strings.HasSuffix(says, mccp2) {
		r = &inflating{r: c}
	}
	var seen []byte
	for bytes.Count(seen, []byte(done)) < 2 {
		n, err := r.Read(buf)
		if err != nil {
			return c, fmt.Errorf("%w after %q", err, seen)
		}
		seen = append(seen, buf[:n]...)
	}
	return c, nil
}

// An inflating reader reads what is compressed from the start marker of MCCP2 on.
type inflating struct {
	r    io.Reader
	head []byte
	z    io.Reader
}

func (f *inflating) Read(p []byte) (int, error) {
	if f.z != nil {
		return f.z.Read(p)
	}
	n, err := f.r.Read(p)
	if err != nil {
		return n, err
	}
	f.head = append(f.head, p[:n]...)
	if _, rest, ok := bytes.Cut(f.head, []byte(sub(86, ""))); ok {
		f.z, err = zlib.NewReader(io.MultiReader(bytes.NewReader(rest), f.r))
	}
	return 0, err
}

// BenchmarkPlayers logs players in at a game in its two processes, over TCP, has
// each look once, leaves them alone, and reports what the processes have grown by
// for each. "rss" is what they need: the memory of both once all garbage is collected
// and returned to the system, before it and after. "as-is" is the growth that the
// system sees without that. Heap, stacks and goroutines are of the Go runtime.
//
// The clients refuse all options, agree to them, or agree and have what they are sent
// compressed.
func BenchmarkPlayers(b *testing.B) {
	for _, bb := range []struct{ name, says string }{
		{"refuses", ""},
		{"agrees", agrees},
		{"compressed", agrees + mccp2},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				measure(b, *playersFlag, bb.name, bb.says)
				b.StartTimer()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func measure(b *testing.B, players int, name, says string) {
	g := play(b)
	conns := make([]net.Conn, players)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	// Before it is empty, it was used: what is there once for all is no player's.
	for i := range 50 {
		c, err := enter(g.addr, i, says)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	time.Sleep(time.Second)
	asIs := -rss(g.portal) - rss(g.server)
	before := [2]memory{askMemory(b, g.dir, g.portal), askMemory(b, g.dir, g.server)}
	keep(b, g, name+"-empty")
	var wg sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, players)
	for range 32 {
		wg.Go(func() {
			for i := range next {
				var err error
				if conns[i], err = enter(g.addr, i, says); err != nil {
					errs <- err
				}
			}
		})
	}
	pace := time.NewTicker(time.Second / time.Duration(*rateFlag))
	for i := range conns {
		<-pace.C
		next <- i
	}
	pace.Stop()
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
	time.Sleep(*restFlag)
	asIs += rss(g.portal) + rss(g.server)
	after := [2]memory{askMemory(b, g.dir, g.portal), askMemory(b, g.dir, g.server)}
	keep(b, g, name+"-full")
	each := func(n int64) float64 { return float64(n) / float64(players) }
	total := 0.0
	for i, who := range []string{"portal", "server"} {
		x, y := before[i], after[i]
		total += each(y.RSS - x.RSS)
		b.ReportMetric(each(y.RSS-x.RSS), who+"-rss-B")
		b.ReportMetric(each(y.Heap-x.Heap), who+"-heap-B")
		b.ReportMetric(each(y.Stack-x.Stack), who+"-stack-B")
		b.ReportMetric(each(y.Idle-x.Idle), who+"-unused-B")
		b.ReportMetric(each(y.Runtime-x.Runtime), who+"-runtime-B")
		b.ReportMetric(each(y.Goroutines-x.Goroutines), who+"-goroutines")
	}
	b.ReportMetric(total, "rss-B")
	b.ReportMetric(each(asIs), "as-is-B")
	b.ReportMetric(float64(before[0].RSS+before[1].RSS)/(1<<20), "empty-MiB")
	b.ReportMetric(float64(before[0].RSSBefore+before[1].RSSBefore)/(1<<20), "empty-as-is-MiB")
}

// keep copies the heap profiles of a moment to where they are wanted.
func keep(b *testing.B, g *played, what string) {
	if *heapFlag == "" {
		return
	}
	for who, pid := range map[string]int{"portal": g.portal, "server": g.server} {
		data, err := os.ReadFile(filepath.Join(g.dir, strconv.Itoa(pid)+".heap"))
		if err == nil {
			err = os.WriteFile(filepath.Join(*heapFlag, what+"-"+who+".heap"), data, 0o600)
		}
		if maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid)); err == nil {
			os.WriteFile(filepath.Join(*heapFlag, what+"-"+who+".smaps"), maps, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
