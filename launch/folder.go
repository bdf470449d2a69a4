package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A folder is a game's folder, as an absolute path:
//
//	mudlark.toml        the configuration, if there is one
//	run/lock            held by the process that runs the game
//	run/server.lock     held by the Server, as long as it may write data/game.db
//	run/control.sock    where reload, stop and status are asked for
//	run/link.sock       where the Server attaches to the Portal
//	run/server-<p>.sock where the Server with that process ID tells its metrics
//	run/epoch           how often the game was started
//	run/game-<n>        what reload built
//	log/portal.log      log of the Portal
//	log/server.log      log and standard error of the Server
//	log/console.log     what else the Portal writes when it runs in the background, such as a crash
//	data/game.db        the world
//	data/cert.pem       the game's own certificate for TLS, if no other is configured
//	data/key.pem        its key
type folder string

func (f folder) path(elem ...string) string {
	return filepath.Join(append([]string{string(f)}, elem...)...)
}

func (f folder) lock() string       { return f.path("run", "lock") }
func (f folder) serverLock() string { return f.path("run", "server.lock") }
func (f folder) control() string    { return f.path("run", "control.sock") }
func (f folder) link() string       { return f.path("run", "link.sock") }
func (f folder) serverSocket(pid int) string {
	return f.path("run", fmt.Sprintf("server-%d.sock", pid))
}
func (f folder) epoch() string      { return f.path("run", "epoch") }
func (f folder) portalLog() string  { return f.path("log", "portal.log") }
func (f folder) serverLog() string  { return f.path("log", "server.log") }
func (f folder) consoleLog() string { return f.path("log", "console.log") }
func (f folder) database() string   { return f.path("data", "game.db") }
func (f folder) ownCert() string    { return f.path("data", "cert.pem") }
func (f folder) ownKey() string     { return f.path("data", "key.pem") }

// openFolder returns the game folder at dir, which must exist.
func openFolder(dir string) (folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("game folder %s: %w", dir, err)
	}
	switch fi, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
		return "", withHint(fmt.Errorf("there is no folder %s", abs), "name the game's folder with --dir, or make it first")
	case err != nil:
		return "", fmt.Errorf("game folder: %w", err)
	case !fi.IsDir():
		return "", withHint(fmt.Errorf("%s is not a folder", abs), "name the game's folder with --dir")
	}
	return folder(abs), nil
}

// create makes the folders in which the game writes, for its owner alone.
func (f folder) create() error {
	for _, name := range []string{"run", "log", "data"} {
		if err := os.MkdirAll(f.path(name), 0o700); err != nil {
			return fmt.Errorf("game folder: %w", err)
		}
	}
	return nil
}

// removeServerSockets removes what Servers of an earlier start have left behind. The
// caller holds the folder's lock. A Server that has not ended yet misses nothing: it
// is about to.
func (f folder) removeServerSockets() {
	left, err := filepath.Glob(filepath.Join(escapeGlob(f.path("run")), "server-*.sock"))
	if err != nil {
		return // a bad pattern, which this is not
	}
	for _, path := range left {
		os.Remove(path)
	}
}

var escapeGlob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace

// demoFolder is where the demo of a game keeps its files, so that a second
// start finds the world as it was left.
func demoFolder(game string, getenv func(string) string) (string, error) {
	data := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // the XDG base directory specification: a relative path is to be ignored
		home := getenv("HOME")
		if home == "" {
			return "", withHint(errors.New("no place for the demo: neither XDG_DATA_HOME nor HOME is set"),
				"name a folder with --dir")
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "mudlark", "demo", fileName(game)), nil
}

// fileName makes a file's name of a game's: lower case, with '-' for all but
// letters and digits.
func fileName(name string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, name)
	if out = strings.Trim(out, "-"); out == "" {
		return "game"
	}
	return out
}

// nextEpoch raises the number in the file and returns it. The caller holds the
// folder's lock.
func nextEpoch(path string) (uint64, error) {
	var epoch uint64
	switch data, err := os.ReadFile(path); {
	case err == nil:
		epoch, err = strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63)
		if err != nil {
			return 0, withHint(fmt.Errorf("%s does not hold a number", path), "remove the file")
		}
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("epoch: %w", err)
	}
	epoch++
	if err := writeFile(path, fmt.Appendln(nil, epoch)); err != nil {
		return 0, fmt.Errorf("epoch: %w", err)
	}
	return epoch, nil
}

// writeFile replaces the file at path by one that has data. Whoever reads it
// finds the old or the new content, also after a power cut.
func writeFile(path string, data []byte) (err error) {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}
