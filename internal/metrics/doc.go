// Package metrics counts what a process does and writes it in the text format of
// Prometheus. Each game has a Set of its own for each of its processes, so two
// games fit in one program.
//
// The counting is done by github.com/VictoriaMetrics/metrics, none of whose types
// leave this module; docs/adr/0021 says why. That library writes samples. Their
// families, with the HELP and TYPE lines that a scraper wants, are declared here.
package metrics
