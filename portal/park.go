package portal

// park has resume called, on a goroutine of its own, when something comes from the
// client, when the Conn is closed or its reads are interrupted, and when a read
// deadline is set. It reports false if the Conn cannot be waited for like this, or is
// at its end already. What waits is asked for only if it is needed: it is no
// goroutine for a test's bubble.
func (c *Conn) park(waits func() *parker, resume func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw == nil || c.err != nil || c.cut {
		return false
	}
	k := waits()
	if k == nil {
		return false
	}
	n := k.add(c)
	if n == 0 {
		return false
	}
	c.parker, c.parked, c.resume = k, n, resume
	return true
}

// unpark ends the wait of park.
func (c *Conn) unpark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unparkLocked()
}

func (c *Conn) unparkLocked() {
	if c.parked == 0 {
		return
	}
	resume := c.resume
	c.parker.take(c.parked) // it may be in it no more
	c.parked, c.resume = 0, nil
	go resume()
}
