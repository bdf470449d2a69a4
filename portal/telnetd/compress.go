package telnetd

import (
	"sync"
	"time"

	"mudlark.dev/telnet"
)

// startMCCP2 tells the client that all that follows is compressed.
var startMCCP2 = telnet.AppendSub(nil, telnet.MCCP2, nil)

// buffers are for what is encoded or compressed, while it is.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer is the largest buffer that is kept.
const keepBuffer = 64 << 10

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBuffer {
		buffers.Put(b)
	}
}

// Write implements portal.Client. It is the one way out of everything, so that
// nothing passes by the compression.
func (cl *client) Write(p []byte) (int, error) {
	cl.wmu.Lock()
	defer cl.wmu.Unlock()
	return cl.writeLocked(p)
}

func (cl *client) writeLocked(p []byte) (int, error) {
	cl.wrote.Store(int64(time.Since(cl.pr.began)))
	if cl.deflate == nil {
		return cl.Conn.Write(p)
	}
	buf := buffers.Get().(*[]byte)
	*buf = cl.deflate.Append((*buf)[:0], p)
	_, err := cl.Conn.Write(*buf)
	putBuffer(buf)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// compress writes what is to be sent before, and begins or ends compression. The
// start marker is a write of its own: Mudlet misses one that comes in two pieces.
func (cl *client) compress(on bool, before []byte) {
	cl.wmu.Lock()
	defer cl.wmu.Unlock()
	if !on {
		cl.endStreamLocked()
	}
	if len(before) > 0 {
		cl.writeLocked(before)
	}
	if on && cl.deflate == nil {
		cl.Conn.Write(startMCCP2)
		cl.deflate = new(telnet.Deflater)
	}
}

// endStreamLocked ends the compression: what follows is plain.
func (cl *client) endStreamLocked() {
	if cl.deflate != nil {
		cl.Conn.Write(cl.deflate.AppendEnd(nil))
		cl.deflate = nil
	}
}
