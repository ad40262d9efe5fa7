package httpreq

import "testing"

const browserAccept = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestRefusalTakesTheSendersForm(t *testing.T) {
	for _, c := range []struct {
		name, method string
		header       map[string]string
		navigation   bool
		kind         Kind
	}{
		{"address bar", "GET", map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": browserAccept}, true, KindPage},
		{"address bar, HEAD", "HEAD", map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, true, KindPage},
		{"form", "POST", map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": browserAccept}, false, KindPage},
		{"iframe", "GET", map[string]string{"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe", "accept": browserAccept}, false, KindJSON},
		{"fetch", "GET", map[string]string{"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "*/*"}, false, KindJSON},
		{"fetch that asks for HTML", "GET", map[string]string{"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "text/html"}, false, KindJSON},
		{"half of Sec-Fetch", "GET", map[string]string{"sec-fetch-site": "same-origin", "accept": browserAccept}, false, KindJSON},
		{"event stream", "GET", map[string]string{"accept": "text/event-stream"}, false, KindJSON},
		{"old browser", "GET", map[string]string{"accept": browserAccept}, true, KindPage},
		{"old browser's XHR", "GET", map[string]string{"accept": browserAccept, "x-requested-with": "XMLHttpRequest"}, false, KindJSON},
		{"old browser's form", "POST", map[string]string{"accept": browserAccept}, false, KindPage},
		{"HTML not wanted", "GET", map[string]string{"accept": "application/json, text/html;q=0.0"}, false, KindJSON},
		{"curl", "GET", map[string]string{"accept": "*/*"}, false, KindJSON},
		{"nothing at all", "GET", nil, false, KindJSON},
		{"preflight", "OPTIONS", map[string]string{"sec-fetch-mode": "cors"}, false, KindJSON},
		{"web socket", "GET", map[string]string{"upgrade": "WebSocket", "sec-fetch-mode": "websocket"}, false, KindWebSocket},
		{"web socket of an old client", "GET", map[string]string{"upgrade": "h2c, websocket", "accept": browserAccept}, false, KindWebSocket},
		{"other upgrade", "GET", map[string]string{"upgrade": "h2c", "accept": browserAccept}, false, KindJSON},
		{"gRPC", "POST", map[string]string{"content-type": "application/grpc"}, false, KindGRPC},
		{"gRPC with a codec", "POST", map[string]string{"content-type": "application/grpc+proto"}, false, KindGRPC},
		{"gRPC by GET", "GET", map[string]string{"content-type": "Application/gRPC; x=y", "accept": browserAccept}, false, KindGRPC},
		{"gRPC-Web", "POST", map[string]string{"content-type": "application/grpc-web+proto", "sec-fetch-mode": "cors"}, false, KindGRPCWeb},
		{"gRPC-Web text", "POST", map[string]string{"content-type": "application/grpc-web-text"}, false, KindGRPCWeb},
		{"not gRPC", "POST", map[string]string{"content-type": "application/grpcx"}, false, KindJSON},
	} {
		header := func(name string) string { return c.header[name] }
		if got := Navigation(c.method, header); got != c.navigation {
			t.Errorf("%s: navigation = %v", c.name, got)
		}
		if got := KindOf(header); got != c.kind {
			t.Errorf("%s: kind = %v, want %v", c.name, got, c.kind)
		}
	}
}
