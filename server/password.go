package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
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

	// maxHashing is how many passwords are hashed at the same time: each takes
	// a core and argonMemory for some ten milliseconds. Others wait.
	maxHashing = 2
)

// ErrBadHash is returned for a stored password that cannot be read: the
// account needs a new one.
var ErrBadHash = errors.New("server: stored password cannot be read")

// passwords hashes and checks passwords, never on the loop.
type passwords struct{ slots chan struct{} }

func newPasswords() *passwords { return &passwords{slots: make(chan struct{}, maxHashing)} }

func (p *passwords) key(ctx context.Context, pw string, salt []byte, time, memory uint32, lanes uint8, n uint32) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	return argon2.IDKey([]byte(pw), salt, time, memory, lanes, n), nil
}

// hash returns pw in the PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (p *passwords) hash(ctx context.Context, pw string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key, err := p.key(ctx, pw, salt, argonTime, argonMemory, argonLanes, argonKey)
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
	key, err := p.key(ctx, pw, salt, time, memory, lanes, uint32(len(want)))
	if err != nil {
		return false, fmt.Errorf("server: check password: %w", err)
	}
	return subtle.ConstantTimeCompare(key, want) == 1, nil
}
