package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// The picture, in pixels.
const (
	plotWidth, plotHeight   = 900, 520
	plotLeft, plotRight     = 80, 200
	plotTop, plotBottom     = 40, 60
	plotPlainW, plotPlainH  = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
	plotLeast, plotMostTens = 0.001, 8 // milliseconds; nines of an axis
)

// plotColours are told apart by most eyes, also by those that are blind to some.
func plotColours() []string {
	return []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a6d00"}
}

// plotSVG draws the percentiles of all results: a share across, on an axis where each
// nine is as wide as the one before, and milliseconds up, on a logarithmic one.
func plotSVG(r *Report) []byte {
	var b bytes.Buffer
	least, most, tens := math.Inf(1), 0.0, 1.0
	for _, res := range r.Results {
		for _, p := range res.Percentiles {
			least, most = min(least, max(p.MS, plotLeast)), max(most, p.MS, plotLeast)
			tens = max(tens, tensOf(p.Percentile))
		}
	}
	if math.IsInf(least, 1) {
		least, most = 1, 10
	}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	high = max(high, low+1)
	tens = min(math.Ceil(tens), plotMostTens)
	x := func(percentile float64) float64 {
		return plotLeft + min(tensOf(percentile), tens)/tens*plotPlainW
	}
	y := func(ms float64) float64 {
		return plotTop + (high-math.Log10(max(ms, plotLeast)))/(high-low)*plotPlainH
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
		xml.EscapeText(&b, []byte(s))
		b.WriteString("</text>\n")
	}
	line := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#cccccc"/>`+"\n", x1, y1, x2, y2)
	}
	title := "Latency by percentile"
	if r.Clients > 0 {
		title += fmt.Sprintf(", %d players", r.Clients)
	}
	text(plotLeft, 24, "start", title)
	for n := 0.0; n <= tens; n++ {
		p := 100 * (1 - math.Pow(10, -n))
		line(x(p), plotTop, x(p), plotTop+plotPlainH)
		text(x(p), plotTop+plotPlainH+18, "middle", fmt.Sprintf("%.*f %%", int(max(0, n-2)), p))
	}
	text(plotLeft+plotPlainW/2, plotHeight-14, "middle", "percentile")
	for n := low; n <= high; n++ {
		ms := math.Pow(10, n)
		line(plotLeft, y(ms), plotLeft+plotPlainW, y(ms))
		text(plotLeft-8, y(ms)+4, "end", fmt.Sprintf("%g ms", ms))
	}
	colours := plotColours()
	drawn := 0
	for _, res := range r.Results {
		if len(res.Percentiles) == 0 {
			continue
		}
		colour := colours[drawn%len(colours)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
		for _, p := range res.Percentiles {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p.Percentile), y(p.MS))
		}
		b.WriteString("\"/>\n")
		top := float64(plotTop + 20*drawn)
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="12" height="12" fill="%s"/>`+"\n", plotWidth-plotRight+16, top, colour)
		text(plotWidth-plotRight+34, top+11, "start", res.label())
		drawn++
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// tensOf is how many nines a percentile has: 0 for 0, 1 for 90, 2 for 99.
func tensOf(percentile float64) float64 {
	return -math.Log10(max(1-percentile/100, math.Pow(10, -plotMostTens)))
}
