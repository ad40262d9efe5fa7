package tenant

import "testing"

func TestOneSpellingOfEachID(t *testing.T) {
	for s, ok := range map[string]bool{"acme": true, "a-1": true, "a": false, "Acme": false, "a_b": false, "acme ": false, "ácme": false, "": false} {
		if _, err := ParseID(s); (err == nil) != ok {
			t.Errorf("ParseID(%q): %v", s, err)
		}
		if _, err := ParseConnectionID(s); (err == nil) != ok {
			t.Errorf("ParseConnectionID(%q): %v", s, err)
		}
	}
	a, b := RandomName(), RandomName()
	if _, err := ParseID(a); err != nil || a == b || len(a) != 10 {
		t.Errorf("RandomName: %q, %q, %v", a, b, err)
	}
}

func TestEmailNamesOneDomainOrNone(t *testing.T) {
	for in, want := range map[string]string{
		"alice@Acme.example":          "acme.example",
		" alice@acme.example ":        "acme.example",
		"a@evil.example@acme.example": "",
		"alice":                       "",
		"@acme.example":               "",
		"alice@":                      "",
		"alice@acme":                  "",
		"alice@acme.example.":         "",
		"alice@acmé.example":          "",
		"a b@acme.example":            "",
		"<alice@acme.example>":        "",
		"alice@acme..example":         "",
	} {
		got, err := EmailDomain(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("EmailDomain(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}
