package telnetd

import (
	"context"
	"time"

	"mudlark.dev/telnet"
)

// probeTime is how long a client has to answer a mark.
const probeTime = time.Second

// Describe implements portal.Describer. How long the client takes to answer is
// measured with a TIMING-MARK (RFC 860), which clients answer whether they know
// it or not; of one that does not, the time of its first answer is told.
//
//	options           names of the options in force
//	mtts              the bits of MTTS, 0 if there are none
//	written, sent     bytes before and after compression; 0 without
//	compressed_input  what the client sends is compressed
//	latency           in milliseconds; missing if it is not known
//	dropped           subnegotiations that could not be used
//	ignored           commands of negotiation that were over the limit
func (cl *client) Describe(ctx context.Context) map[string]any {
	cl.probe(ctx)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	options := []any{}
	for _, k := range all {
		if cl.codec.On(k.option, k.side) {
			options = append(options, k.name)
		}
	}
	d := map[string]any{
		"options": options, "mtts": int64(cl.said().mtts()), "compressed_input": cl.inflated,
		"dropped": int64(cl.dropped), "ignored": int64(cl.asked.refused),
	}
	if cl.latency > 0 {
		d["latency"] = float64(cl.latency.Microseconds()) / 1000
	}
	cl.wmu.Lock()
	defer cl.wmu.Unlock()
	if cl.deflate != nil {
		d["written"], d["sent"] = int64(cl.deflate.In()), int64(cl.deflate.Out())
	}
	return d
}

// probe asks for a mark and waits for the answer.
func (cl *client) probe(ctx context.Context) {
	cl.mu.Lock()
	mark := cl.mark
	if mark == nil {
		out := cl.codec.AppendEnable(nil, telnet.TimingMark, telnet.Them)
		if len(out) == 0 { // an earlier one was not answered: this client does not
			cl.mu.Unlock()
			return
		}
		mark = make(chan struct{})
		cl.mark, cl.probed = mark, cl.now()
		cl.Write(out)
	}
	cl.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	select {
	case <-mark:
	case <-ctx.Done():
		cl.mu.Lock()
		if cl.mark == mark {
			cl.mark = nil
		}
		cl.mu.Unlock()
	}
}
