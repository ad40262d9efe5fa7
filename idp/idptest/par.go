package idptest

import (
	"maps"
	"net/http"
	"net/url"
)

// servePAR takes an authorization request from the client itself (RFC 9126 §2). A test that wants it required says so
// with SetMetadata.
func (o *OP) servePAR(w http.ResponseWriter, r *http.Request) {
	client, ok := o.authenticate(r)
	if !ok || r.PostForm.Get("client_id") != client.ID {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	pushed := maps.Clone(r.PostForm)
	pushed.Del("client_secret")
	uri := "urn:ietf:params:oauth:request_uri:" + random(18)
	o.mu.Lock()
	o.pushed[uri] = pushed
	o.mu.Unlock()
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
}

// unpush puts a pushed request in the place of the two parameters that stand for it; it is used once.
func (o *OP) unpush(q url.Values) url.Values {
	o.mu.Lock()
	defer o.mu.Unlock()
	uri := q.Get("request_uri")
	pushed, ok := o.pushed[uri]
	if !ok || pushed.Get("client_id") != q.Get("client_id") {
		return q
	}
	delete(o.pushed, uri)
	return pushed
}
