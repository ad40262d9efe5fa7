package httpreq

import (
	"net/http"
	"strings"
)

// Kind is the form in which a sender can read a refusal.
type Kind int

// The kinds. The zero value is the one every program can cope with.
const (
	KindJSON Kind = iota
	KindPage
	KindGRPC
	KindGRPCWeb
	KindWebSocket
)

// String is the kind's word in logs.
func (k Kind) String() string {
	switch k {
	case KindJSON:
		return "json"
	case KindPage:
		return "page"
	case KindGRPC:
		return "grpc"
	case KindGRPCWeb:
		return "grpc-web"
	case KindWebSocket:
		return "websocket"
	default:
		return "unknown"
	}
}

// Navigation reports whether a person is looking at this request in the address bar, so that a redirect to a sign-in page is of use to them. header
// returns the value of a header by lower-case name, "" when there is none.
//
// Browsers say so themselves by Sec-Fetch-Mode and Sec-Fetch-Dest (W3C Fetch Metadata). Where neither is sent, the older signs count. An
// iframe, a form's POST, fetch and EventSource are no navigation: a redirect there ends in a CORS error or loses the body.
func Navigation(method string, header func(name string) string) bool {
	return (method == http.MethodGet || method == http.MethodHead) && document(header)
}

// KindOf chooses the form of a refusal. A KindPage request is not always a [Navigation]: a form's POST may be shown a page that says no, but
// must not be redirected.
func KindOf(header func(name string) string) Kind {
	switch contentType := header("content-type"); {
	case grpcWeb(contentType):
		return KindGRPCWeb
	case grpc(contentType):
		return KindGRPC
	case hasToken(header("upgrade"), "websocket") || header("sec-fetch-mode") == "websocket":
		return KindWebSocket
	case document(header):
		return KindPage
	default:
		return KindJSON
	}
}

func document(header func(string) string) bool {
	mode, dest := header("sec-fetch-mode"), header("sec-fetch-dest")
	if mode != "" || dest != "" || header("sec-fetch-site") != "" {
		return mode == "navigate" && dest == "document"
	}
	contentType := header("content-type")
	return accepts(header("accept"), "text/html") && header("x-requested-with") == "" && header("upgrade") == "" &&
		!grpc(contentType) && !grpcWeb(contentType)
}

// grpc matches application/grpc with an optional +codec, as the gRPC over HTTP/2 protocol defines it.
func grpc(contentType string) bool {
	return mediaFamily(contentType, "application/grpc")
}

func grpcWeb(contentType string) bool {
	return mediaFamily(contentType, "application/grpc-web") || mediaFamily(contentType, "application/grpc-web-text")
}

// mediaFamily reports whether the media type is family itself or family+suffix; parameters do not matter.
func mediaFamily(contentType, family string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media, _, _ = strings.Cut(media, "+")
	return equalFoldASCII(trim(media), family)
}

// accepts reports whether an Accept line names media itself, not through a wildcard and not with weight zero.
func accepts(line, media string) bool {
	for item := range strings.SplitSeq(line, ",") {
		name, params, _ := strings.Cut(item, ";")
		if equalFoldASCII(trim(name), media) && !weightZero(params) {
			return true
		}
	}
	return false
}

func weightZero(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if equalFoldASCII(trim(name), "q") && strings.Trim(trim(value), "0.") == "" {
			return true
		}
	}
	return false
}

func hasToken(line, token string) bool {
	for item := range strings.SplitSeq(line, ",") {
		if equalFoldASCII(trim(item), token) {
			return true
		}
	}
	return false
}
