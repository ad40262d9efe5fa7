package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What a row may end in beside a status.
const (
	endClosed = "closed" // no answer: the connection or the stream was cut
	endWaits  = "waits"  // no answer: the proxy waits for bytes that never come
)

// outcome is what a client saw.
type outcome struct {
	ends     []string // one a response
	location []string
	body     string
}

func (o outcome) first() string {
	if len(o.ends) == 0 {
		return endClosed
	}
	return o.ends[0]
}

// door is the public door as an attacker sees it: bytes over TLS.
func door(t *testing.T, s *Stack, protocol string) *tls.Conn {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Host)
	plain, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{protocol}})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// h1 is the message in the bytes of HTTP/1.1.
func (m message) h1() string {
	if m.raw != "" {
		return m.raw
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", m.method, m.target, m.host)
	framed := false
	for _, h := range m.headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
		framed = framed || strings.EqualFold(h[0], "content-length") || strings.EqualFold(h[0], "transfer-encoding")
	}
	if m.body != "" && !framed {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.body))
	}
	b.WriteString("\r\n" + m.body)
	if len(m.trailers) > 0 {
		b.WriteString("0\r\n")
		for _, h := range m.trailers {
			fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// sendH1 writes a message and tells its end: the first response, or none within patience. A raw row's connection stays
// open a while longer, so that a second request in its bytes gets its chance.
func sendH1(c *tls.Conn, m message, patience time.Duration, tell func(outcome)) {
	sent := make(chan struct{})
	go func() { defer close(sent); _, _ = io.WriteString(c, m.h1()) }() // a refusal may come before all is sent
	defer func() { _ = c.Close(); <-sent }()
	r := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: strings.TrimSpace(m.method)})
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			tell(outcome{ends: []string{endWaits}})
			return
		}
		if err != nil {
			tell(outcome{})
			return
		}
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols || err != nil {
			var o outcome
			o.add(resp.StatusCode, resp.Header.Get("Location"), body)
			tell(o)
			break
		}
	}
	if m.raw != "" {
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		_, _ = io.Copy(io.Discard, r)
	}
}

func (o *outcome) add(status int, location string, body []byte) {
	o.ends = append(o.ends, strconv.Itoa(status))
	if location != "" {
		o.location = append(o.location, location)
	}
	o.body += string(body)
}

// pseudo are the message's header fields in HTTP/2, in order; nothing is repaired.
func (m message) pseudo() [][2]string {
	var fields [][2]string
	own := map[string]bool{}
	for _, h := range m.headers {
		own[h[0]] = strings.HasPrefix(h[0], ":")
	}
	for _, h := range [][2]string{{":method", m.method}, {":scheme", "https"}, {":authority", m.host}, {":path", m.target}} {
		if !own[h[0]] {
			fields = append(fields, h)
		}
	}
	for _, h := range m.headers {
		name := h[0]
		if name == strings.ToUpper(name[:1])+name[1:] { // Canonical-Case is how the table writes a plain name
			name = strings.ToLower(name)
		}
		fields = append(fields, [2]string{name, h[1]})
	}
	return fields
}

// sendH2 writes the frames of a message on stream 1 and tells how that stream ends.
func sendH2(c *tls.Conn, m message, patience time.Duration, tell func(outcome)) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, c)
	f.AllowIllegalWrites = true
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = f.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	writeBlock := func(fields [][2]string, end bool) {
		block.Reset()
		for _, h := range fields {
			_ = encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		b := block.Bytes()
		n := min(len(b), 16<<10)
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
		for b = b[n:]; len(b) > 0; b = b[n:] {
			n = min(len(b), 16<<10)
			_ = f.WriteContinuation(1, n == len(b), b[:n])
		}
	}
	writeBlock(m.pseudo(), m.body == "" && len(m.trailers) == 0)
	if m.body != "" {
		_ = f.WriteData(1, len(m.trailers) == 0, []byte(m.body))
	}
	if len(m.trailers) > 0 {
		writeBlock(m.trailers, true)
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		tell(outcome{})
		return
	}
	tell(readH2(f, c))
}

func readH2(f *http2.Framer, c io.Writer) outcome {
	var o outcome
	reply := http2.NewFramer(c, nil)
	for {
		frame, err := f.ReadFrame()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && len(o.ends) == 0 {
			o.ends = append(o.ends, endWaits)
		}
		if err != nil {
			return o
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = reply.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if status, err := strconv.Atoi(frame.PseudoValue("status")); err == nil {
				location := ""
				for _, h := range frame.RegularFields() {
					if h.Name == "location" {
						location = h.Value
					}
				}
				o.add(status, location, nil)
			}
			if frame.StreamEnded() {
				return o
			}
		case *http2.DataFrame:
			o.body += string(frame.Data())
			if frame.StreamEnded() {
				return o
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return o
		}
	}
}
