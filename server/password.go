package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/argon2"

	"mudlark.dev/command"
)

// The cost of a password: argon2id with 19 MiB, two passes and one lane, as
// OWASP's Password Storage Cheat Sheet gives it. The numbers are stored with
// each hash, so they can be raised without losing a password.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16 // bytes
	argonKey    = 32 // bytes

	// maxHashing is how many passwords are hashed at the same time if the Config has
	// no Key: each takes a core and argonMemory for some ten milliseconds. Others wait.
	maxHashing = 2
	// maxHashes is how many wait, beyond which one more is refused: two processors
	// need a minute and a half for them.
	maxHashes = 4096
)

// ErrBadHash is returned for a stored password that cannot be read: the
// account needs a new one.
var ErrBadHash = errors.New("server: stored password cannot be read")

// ErrHashesWait is returned when as many passwords wait to be hashed as may, 4,096. A
// player reads errHashesWait.
var ErrHashesWait = errors.New("server: too many passwords wait to be hashed")

// errHashesWait is what a player is told.
var errHashesWait = command.Errorf("Too many players are logging in just now. Please try again in a minute.")

// A KeyFunc computes an argon2id key, as argon2.IDKey does; memory is in KiB. It may be
// called from any goroutine, and fails with the cause of ctx if that ends first.
type KeyFunc func(ctx context.Context, password, salt []byte, time, memory uint32, lanes uint8, n uint32) ([]byte, error)

// keyHere is the KeyFunc that computes keys on goroutines of this process.
func keyHere(_ context.Context, password, salt []byte, time, memory uint32, lanes uint8, n uint32) ([]byte, error) {
	return argon2.IDKey(password, salt, time, memory, lanes, n), nil
}

// passwords hashes and checks passwords, never on the loop. Those that wait have their
// turn in the order in which they came, new passwords and logins by turns: who chooses
// a password does not wait for a thousand who log in, nor they for a thousand who come
// for the first time.
type passwords struct {
	keyFunc KeyFunc

	mu      sync.Mutex
	free    int // keys that may be computed beside those that are
	waiting [2][]chan struct{}
	last    purpose // whose turn was the last
}

// A purpose says what a password is hashed for.
type purpose int

const (
	toCheck purpose = iota
	toStore
)

// newPasswords returns passwords whose keys are computed by f, at most n at a time.
func newPasswords(f KeyFunc, n int) *passwords {
	if f == nil {
		f, n = keyHere, maxHashing
	}
	return &passwords{keyFunc: f, free: max(n, 1)}
}

// acquire waits for the turn of a key.
func (p *passwords) acquire(ctx context.Context, why purpose) error {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return nil
	}
	if len(p.waiting[toCheck])+len(p.waiting[toStore]) >= maxHashes {
		p.mu.Unlock()
		return ErrHashesWait
	}
	turn := make(chan struct{})
	p.waiting[why] = append(p.waiting[why], turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting[why], turn)
	if i >= 0 {
		p.waiting[why] = slices.Delete(p.waiting[why], i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it has just had its turn
		p.release()
	}
	return context.Cause(ctx)
}

// release gives the turn to the next.
func (p *passwords) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := toStore - p.last
	if len(p.waiting[next]) == 0 {
		next = p.last
	}
	if len(p.waiting[next]) == 0 {
		p.free++
		return
	}
	p.last = next
	close(p.waiting[next][0])
	p.waiting[next] = slices.Delete(p.waiting[next], 0, 1)
}

func (p *passwords) key(ctx context.Context, why purpose, pw string, salt []byte, time, memory uint32, lanes uint8, n uint32) ([]byte, error) {
	leaveWork(ctx)
	if err := p.acquire(ctx, why); err != nil {
		return nil, err
	}
	defer p.release()
	return p.keyFunc(ctx, []byte(pw), salt, time, memory, lanes, n)
}

// hash returns pw in the PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (p *passwords) hash(ctx context.Context, pw string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key, err := p.key(ctx, toStore, pw, salt, argonTime, argonMemory, argonLanes, argonKey)
	if err != nil {
		return "", fmt.Errorf("server: hash password: %w", err)
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// check reports whether pw is the password that hash was made of.
func (p *passwords) check(ctx context.Context, hash, pw string) (bool, error) {
	var version int
	var memory, time uint32
	var lanes uint8
	var rest string
	if _, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &lanes, &rest); err != nil {
		return false, fmt.Errorf("%w: %w", ErrBadHash, err)
	}
	var salt, want []byte
	for i, c := range rest {
		if c == '$' {
			salt, _ = base64.RawStdEncoding.DecodeString(rest[:i])
			want, _ = base64.RawStdEncoding.DecodeString(rest[i+1:])
			break
		}
	}
	if version != argon2.Version || len(salt) == 0 || len(want) == 0 || memory > 1<<20 || time == 0 || time > 100 || lanes == 0 {
		return false, fmt.Errorf("%w: unknown parameters", ErrBadHash)
	}
	key, err := p.key(ctx, toCheck, pw, salt, time, memory, lanes, uint32(len(want)))
	if err != nil {
		return false, fmt.Errorf("server: check password: %w", err)
	}
	return subtle.ConstantTimeCompare(key, want) == 1, nil
}
