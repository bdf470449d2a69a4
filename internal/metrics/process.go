package metrics

import (
	"bytes"

	vm "github.com/VictoriaMetrics/metrics"
)

// processFamilies are what is shown of this process and its Go runtime. What the
// library has beside these is left out: it depends on the system, or helps nobody
// who runs a game.
var processFamilies = []Family{
	{"go_gc_cpu_seconds_total", TypeCounter, "Processor time that the garbage collector has taken."},
	{"go_gc_duration_seconds", TypeSummary, "How long the last 256 collections stopped the program."},
	{"go_gomaxprocs", TypeGauge, "Processors that Go code may use at the same time."},
	{"go_goroutines", TypeGauge, "Goroutines that exist."},
	{"go_info", TypeGauge, "The version of Go that built the program; the value is 1."},
	{"go_memlimit_bytes", TypeGauge, "The limit that GOMEMLIMIT sets; a huge number if there is none."},
	{"go_memstats_alloc_bytes_total", TypeCounter, "Bytes that were ever allocated on the heap."},
	{"go_memstats_heap_inuse_bytes", TypeGauge, "Bytes of the heap that are in use."},
	{"go_memstats_heap_objects", TypeGauge, "Objects on the heap."},
	{"go_memstats_mallocs_total", TypeCounter, "Objects that were ever allocated on the heap."},
	{"go_memstats_next_gc_bytes", TypeGauge, "Size of the heap at which the next collection starts."},
	{"go_memstats_stack_inuse_bytes", TypeGauge, "Bytes of the stacks of goroutines."},
	{"go_memstats_sys_bytes", TypeGauge, "Bytes that Go has from the system."},
	{"go_mutex_wait_seconds_total", TypeCounter, "Time that goroutines have waited for locks, all together."},
	{"go_threads", TypeGauge, "Threads that Go has made."},
	{"process_cpu_seconds_total", TypeCounter, "Processor time that the process has taken."},
	{"process_io_storage_read_bytes_total", TypeCounter, "Bytes that were read from disks for the process."},
	{"process_io_storage_written_bytes_total", TypeCounter, "Bytes that were written to disks for the process."},
	{"process_major_pagefaults_total", TypeCounter, "Page faults that took a read from a disk."},
	{"process_max_fds", TypeGauge, "File descriptors that the process may have open."},
	{"process_open_fds", TypeGauge, "File descriptors that the process has open."},
	{"process_resident_memory_bytes", TypeGauge, "Memory of the process that is resident."},
	{"process_resident_memory_peak_bytes", TypeGauge, "The most memory of the process that was ever resident."},
	{"process_start_time_seconds", TypeGauge, "When the process was started, in seconds of Unix time."},
}

var processTable = func() map[string]Family {
	m := make(map[string]Family)
	for _, f := range processFamilies {
		m[f.Name] = f
	}
	return m
}()

// AppendProcess appends what is to be told of this process and its Go runtime, with
// the label process. It does not wait for anything the process does; the runtime
// stops for some ten microseconds to count its memory. Families that begin with
// "process_" are there on Linux only.
func AppendProcess(dst []byte, process string) []byte {
	var b bytes.Buffer
	vm.WriteGoMetrics(&b)
	vm.WriteProcMetrics(&b)
	vm.WriteFDMetrics(&b)
	return appendFamilies(dst, b.Bytes(), processTable, []string{"process", process})
}
