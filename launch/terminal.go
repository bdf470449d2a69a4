package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAnswerLine bounds what is read as one answer of whoever sits there.
const maxAnswerLine = 4 << 10

// A prompter asks whoever runs a command. It reads line by line; one that is
// longer than maxAnswerLine is an error.
type prompter struct {
	in  *bufio.Reader
	out io.Writer
	tty *os.File // nil if nobody sits there
}

// newPrompter asks on in, and writes its questions to out.
func newPrompter(in io.Reader, out io.Writer) *prompter {
	p := &prompter{in: bufio.NewReaderSize(in, maxAnswerLine), out: out}
	if f, ok := in.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), getTermios); err == nil {
			p.tty = f
		}
	}
	return p
}

// terminal reports whether there is somebody to ask.
func (p *prompter) terminal() bool { return p.tty != nil }

// line reads a line. When ctx ends first, the reading goes on to the end of the
// process: it cannot be called off.
func (p *prompter) line(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := p.in.ReadSlice('\n')
		got <- answer{strings.TrimRight(string(text), "\r\n"), err}
	}()
	select {
	case a := <-got:
		switch {
		case errors.Is(a.err, bufio.ErrBufferFull):
			return "", fmt.Errorf("a line of more than %d bytes was typed", maxAnswerLine)
		case errors.Is(a.err, io.EOF) && a.text != "", a.err == nil:
			return a.text, nil
		case errors.Is(a.err, io.EOF):
			return "", io.ErrUnexpectedEOF
		}
		return "", a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// ask asks a question and reads the answer.
func (p *prompter) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(p.out, question)
	return p.line(ctx)
}

// askHidden is ask for what nobody is to read on the screen. The terminal is as
// before when it returns, also when ctx has ended.
func (p *prompter) askHidden(ctx context.Context, question string) (string, error) {
	fd := int(p.tty.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG // line by line, and Ctrl-C works
	hidden.Iflag |= unix.ICRNL
	// Off first, asked then: nobody answers before.
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() {
		fmt.Fprintln(p.out) // what ended the line was not shown
		if err := unix.IoctlSetTermios(fd, setTermios, before); err != nil {
			fmt.Fprintf(p.out, "the terminal may not show what you type: %v; the command \"stty sane\" mends it\n", err)
		}
	}()
	return p.ask(ctx, question)
}
