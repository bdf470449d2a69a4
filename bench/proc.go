package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Process is what a process took while lines counted. Where the system has no
// /proc, the numbers are -1.
type Process struct {
	Name       string  `json:"name"`
	PID        int     `json:"pid"`
	CPUSeconds float64 `json:"cpu_s"`
	CPUPercent float64 `json:"cpu_percent"` // of one processor
	RSSBefore  int64   `json:"rss_before_bytes"`
	RSSAfter   int64   `json:"rss_after_bytes"`
	RSSMax     int64   `json:"rss_max_bytes"` // as it was seen, four times a second
}

// ticks is the unit of CPU times in /proc, USER_HZ, which is 100 on all of Linux.
const ticks = 100

// usage returns the CPU seconds and the memory of a process.
func usage(pid int) (cpu float64, rss int64, err error) {
	base := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(base + "/stat")
	if err != nil {
		return 0, 0, err
	}
	if cpu, err = parseStat(stat); err != nil {
		return 0, 0, fmt.Errorf("%s/stat: %w", base, err)
	}
	statm, err := os.ReadFile(base + "/statm")
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, 0, fmt.Errorf("%s/statm: no second field", base)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return cpu, pages * int64(os.Getpagesize()), err
}

// parseStat returns the CPU seconds in a /proc/PID/stat. proc_pid_stat(5): the name
// stands in brackets and may have any character; utime and stime are fields 14 and 15.
func parseStat(stat []byte) (float64, error) {
	i := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[i+1:]))
	if i < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("%d fields behind the name", len(fields))
	}
	sum := 0.0
	for _, f := range fields[11:13] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += float64(n) / ticks
	}
	return sum, nil
}

// sample watches processes from one time to another. It ends early with ctx.
func sample(ctx context.Context, list []*Process, from, to time.Time) {
	if until(ctx, from) != nil {
		return
	}
	began := time.Now()
	before := make([]float64, len(list))
	for i, p := range list {
		var err error
		if before[i], p.RSSBefore, err = usage(p.PID); err != nil {
			p.CPUSeconds, p.CPUPercent, p.RSSBefore, p.RSSAfter, p.RSSMax = -1, -1, -1, -1, -1
		}
	}
	for {
		last := until(ctx, earlier(time.Now().Add(250*time.Millisecond), to)) != nil || !time.Now().Before(to)
		for i, p := range list {
			if p.RSSMax < 0 {
				continue
			}
			cpu, rss, err := usage(p.PID)
			if err != nil {
				continue // it has ended; what was seen last stays
			}
			p.CPUSeconds = round(cpu - before[i])
			p.CPUPercent = round((cpu - before[i]) / time.Since(began).Seconds() * 100)
			p.RSSAfter = rss
			p.RSSMax = max(p.RSSMax, p.RSSBefore, rss)
		}
		if last {
			return
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
