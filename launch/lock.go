package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A holder says who holds a lock. It stands in the locked file, for people and
// for the message of whoever comes second.
type holder struct {
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

// A busyError is returned for a lock that another process holds.
type busyError struct {
	dir    string
	holder holder // zero if the holder has not written yet who it is
}

func (e *busyError) Error() string {
	if e.holder.PID == 0 {
		return fmt.Sprintf("the game in %s is already running", e.dir)
	}
	return fmt.Sprintf("the game in %s is already running: process %d, since %s, started as %q",
		e.dir, e.holder.PID, e.holder.Since.Local().Format("2006-01-02 15:04:05"), e.holder.Command)
}

func (e *busyError) Hint() string {
	return fmt.Sprintf("stop it first: %s stop --dir %s; or choose another folder with --dir", programName(), quote(e.dir))
}

// A fileLock is a file that this process has locked with flock(2). The kernel
// gives it back when the process ends, however it ends. The file itself stays:
// removing it could take it from under somebody who has just opened it.
type fileLock struct{ f *os.File }

// lockTries and lockWait: tryLock meets those who only look at the lock
// (whoHolds), which they do for a moment.
const (
	lockTries = 4
	lockWait  = 25 * time.Millisecond
)

// tryLock locks the file at path and writes who into it. If another process
// holds it, the error is a *busyError that names dir, and nothing has changed.
func tryLock(path, dir string, who holder) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for try := 1; ; try++ {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			if try < lockTries {
				time.Sleep(lockWait)
				continue
			}
			err = &busyError{dir: dir, holder: readHolder(f)}
		}
		f.Close()
		return nil, err
	}
	l := &fileLock{f}
	if err := l.write(who); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// waitLock is tryLock for those who wait until the lock is free. It asks again
// and again, since a waiting flock(2) cannot be called off.
func waitLock(ctx context.Context, path, dir string, who holder) (*fileLock, error) {
	t := time.NewTicker(lockWait)
	defer t.Stop()
	for {
		l, err := tryLock(path, dir, who)
		var busy *busyError
		if !errors.As(err, &busy) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-t.C:
		}
	}
}

func (l *fileLock) write(who holder) error {
	data, err := json.Marshal(who)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := l.f.Truncate(0); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if _, err := l.f.WriteAt(append(data, '\n'), 0); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

func (l *fileLock) release() { l.f.Close() }

// lockEnv tells a program that takes the place of another one, in a reboot,
// which descriptor has the lock of the game's folder. So the folder has a game
// all the time, and nobody can come between.
const lockEnv = "_MUDLARK_REBOOT_LOCK"

// keep has the lock stay with this process when it executes another program,
// and returns what that is to find in its environment.
func (l *fileLock) keep() (string, error) {
	fd := int(l.f.Fd())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil { // no FD_CLOEXEC
		return "", fmt.Errorf("lock: %w", err)
	}
	return lockEnv + "=" + strconv.Itoa(fd), nil
}

// inheritLock takes over the lock of the file at path that the program before
// this one has kept, and nil if there is none. It is called once.
func inheritLock(path string, who holder) *fileLock {
	fd, err := strconv.Atoi(os.Getenv(lockEnv))
	os.Unsetenv(lockEnv) // it is not for those that are started
	if err != nil || fd < 0 {
		return nil
	}
	var here, there syscall.Stat_t
	if syscall.Fstat(fd, &here) != nil || syscall.Stat(path, &there) != nil || here.Dev != there.Dev || here.Ino != there.Ino {
		return nil
	}
	syscall.CloseOnExec(fd)
	l := &fileLock{os.NewFile(uintptr(fd), path)}
	// To lock what this very descriptor has locked changes nothing.
	if flock(l.f, syscall.LOCK_EX|syscall.LOCK_NB) != nil || l.write(who) != nil {
		l.release()
		return nil
	}
	return l
}

// whoHolds reports whether a process holds the lock at path, and which.
func whoHolds(path string) (holder, bool) {
	f, err := os.Open(path)
	if err != nil {
		return holder{}, false
	}
	defer f.Close()
	if err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return holder{}, false
	}
	return readHolder(f), true
}

func readHolder(f *os.File) holder {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 64<<10))
	var h holder
	if err != nil || json.Unmarshal(data, &h) != nil {
		return holder{}
	}
	return h
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
