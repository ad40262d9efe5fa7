package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ErrFull reports a decision log whose writer cannot keep up.
var ErrFull = errors.New("decision log is full")

// Sizes of the buffer: a line never waits for the disk, and a disk that hangs costs bounded memory.
const (
	flushSize = 64 << 10
	flushTime = 100 * time.Millisecond
	bufferCap = 8 << 20
)

// Log writes decisions as JSON lines. Write copies into a buffer and returns; Run, one goroutine, writes it out, within
// 100 ms. A crash loses at most that much. A nil Log takes nothing.
type Log struct {
	Out      io.Writer
	Instance string // which gate, where there are several
	Version  string
	Must     bool   // refuse what cannot be logged
	OnDrop   func() // a line was dropped

	mu     sync.Mutex
	buffer []byte
	spare  []byte
	flying int // bytes that a flush has taken and not written yet
	err    error
	wake   chan struct{}
	once   sync.Once
}

// Required reports whether a check that cannot be logged must be refused.
func (l *Log) Required() bool { return l != nil && l.Must }

func (l *Log) init() { l.once.Do(func() { l.wake = make(chan struct{}, 1) }) }

// Write takes one decision. ErrFull, or the last write's error: the line is dropped.
func (l *Log) Write(d Decision) error {
	if l == nil {
		return nil
	}
	l.init()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buffer)+l.flying > bufferCap { // what a hanging write holds may come back
		if l.OnDrop != nil {
			l.OnDrop()
		}
		return errors.Join(ErrFull, l.err)
	}
	l.buffer = l.appendLine(l.buffer, d)
	if len(l.buffer) > flushSize {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Run writes until ctx ends, then writes what is left.
func (l *Log) Run(ctx context.Context) error {
	if l == nil {
		<-ctx.Done()
		return nil
	}
	l.init()
	tick := time.NewTicker(flushTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.Flush()
		case <-tick.C:
		case <-l.wake:
		}
		_ = l.Flush() // kept in l.err: Write reports it once the buffer is full, and the next flush tries again
	}
}

// Flush writes what has been taken so far. What a failing writer did not take stays for the next try.
func (l *Log) Flush() error {
	l.mu.Lock()
	out := l.buffer
	l.buffer, l.spare, l.flying = l.spare[:0], nil, len(out)
	l.mu.Unlock()
	n, err := 0, error(nil)
	if len(out) > 0 {
		n, err = l.Out.Write(out)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying = 0
	if err != nil {
		l.err = fmt.Errorf("write decision log: %w", err)
		l.buffer = append(append([]byte(nil), out[min(n, len(out)):]...), l.buffer...)
		return l.err
	}
	l.err, l.spare = nil, out[:0]
	return nil
}
