package login

import (
	"bytes"
	"net/url"
	"testing"
)

// FuzzRelayState: what is found is a handle, and what every other reader of the form finds as well.
func FuzzRelayState(f *testing.F) {
	for _, s := range []string{"", "RelayState=0123abcd", "SAMLResponse=x&RelayState=0123abcd", "RelayState=0123abcd&RelayState=0123abce", "RelayState=%30123abcd", "relaystate=0123abcd;RelayState=0123abcd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, form string) {
		handle := relayState([]byte(form))
		if handle == "" {
			return
		}
		if !isHandle(handle) {
			t.Fatalf("%q gives %q", form, handle)
		}
		if values, err := url.ParseQuery(form); err == nil && values.Get("RelayState") != handle {
			t.Fatalf("%q gives %q, others read %q", form, handle, values["RelayState"])
		}
	})
}

// FuzzTwin: what opens is written again byte for byte.
func FuzzTwin(f *testing.F) {
	f.Add(twin{}.pack())
	f.Fuzz(func(t *testing.T, plain []byte) {
		tw, ok := unpackTwin(plain)
		if !ok {
			return
		}
		if again, ok := unpackTwin(tw.pack()); !ok || !bytes.Equal(again.pack(), tw.pack()) {
			t.Fatalf("%x became %+v", plain, tw)
		}
	})
}
