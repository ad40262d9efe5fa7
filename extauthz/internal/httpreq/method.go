package httpreq

import "net/http"

// ParseMethod returns raw when it is one of the seven methods the gate knows, spelt exactly. CONNECT, TRACE, extension methods and other casings
// are refused: an upstream that folds case would run a "get" as GET under a policy that saw neither.
func ParseMethod(raw string) (string, error) {
	switch raw {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return raw, nil
	default:
		return "", &Refusal{Status: http.StatusMethodNotAllowed, Reason: ReasonMethod, Message: "the method is not supported"}
	}
}
