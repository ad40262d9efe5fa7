package patch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

const longID = 2000

func TestUnknownShapesOnMembersAreRefused(t *testing.T) {
	for operations, want := range map[string]string{
		`[{"op":"remove","path":"members","value":[]}]`:                 invalidValue,
		`[{"op":"remove","path":"members","value":null}]`:               invalidValue,
		`[{"op":"remove","path":"members","value":""}]`:                 invalidValue,
		`[{"op":"remove","path":"members","value":{}}]`:                 invalidValue,
		`[{"op":"remove","path":"members","value":[{}]}]`:               invalidValue,
		`[{"op":"remove","path":"members","value":["a"]}]`:              invalidValue,
		`[{"op":"remove","path":"members","value":"a"}]`:                invalidValue,
		`[{"op":"remove","path":"members","value":[{"value":"a"},{}]}]`: invalidValue,
		`[{"op":"remove","path":"members","value":[{"value":""}]}]`:     invalidValue,
		`[{"op":"remove","path":"members","value":[{"value":null}]}]`:   invalidValue,
		`[{"op":"remove","path":"members","value":[{"value":7}]}]`:      invalidValue,
		`[{"op":"remove","path":"members","value":[{"display":"a"}]}]`:  invalidValue,
		`[{"op":"remove","path":"members","values":[{"value":"a"}]}]`:   invalidSyntax,
		`[{"op":"remove","value":{"members":[{"value":"a"}]}}]`:         noTarget,
		`[{"op":"remove"}]`:             noTarget,
		`[{"op":"remove","path":null}]`: noTarget,
		`[{"op":"remove","path":"members[value eq \"a\"]","value":[{"value":"b"}]}]`:                                  invalidPath,
		`[{"op":"remove","path":"members[value eq \"a\"]","value":""}]`:                                               invalidPath,
		`[{"op":"remove","path":"members[value ne \"a\"]"}]`:                                                          invalidFilter,
		`[{"op":"remove","path":"members[value pr]"}]`:                                                                invalidFilter,
		`[{"op":"remove","path":"members[value sw \"a\"]"}]`:                                                          invalidFilter,
		`[{"op":"remove","path":"members[value sw \"\"]"}]`:                                                           invalidFilter,
		`[{"op":"remove","path":"members[not (value eq \"a\")]"}]`:                                                    invalidFilter,
		`[{"op":"remove","path":"members[value eq \"\"]"}]`:                                                           invalidFilter,
		`[{"op":"remove","path":"members[value eq null]"}]`:                                                           invalidFilter,
		`[{"op":"remove","path":"members[type eq \"User\"]"}]`:                                                        invalidFilter,
		`[{"op":"remove","path":"members[display eq \"a\"]"}]`:                                                        invalidFilter,
		`[{"op":"remove","path":"members[value eq \"a\" and value eq \"b\"]"}]`:                                       invalidFilter,
		`[{"op":"remove","path":"members[value eq \"a\" or type eq \"User\"]"}]`:                                      invalidFilter,
		`[{"op":"remove","path":"members[]"}]`:                                                                        invalidPath,
		`[{"op":"remove","path":"members[0]"}]`:                                                                       invalidPath,
		`[{"op":"remove","path":"members[value eq \"a\"].value"}]`:                                                    invalidPath,
		`[{"op":"remove","path":"members.value"}]`:                                                                    invalidPath,
		`[{"op":"replace","path":"members.value","value":"a"}]`:                                                       invalidPath,
		`[{"op":"replace","path":"members[value eq \"a\"]","value":{"value":"b"}}]`:                                   invalidPath,
		`[{"op":"replace","path":"members[value eq \"a\"].display","value":"b"}]`:                                     invalidPath,
		`[{"op":"add","path":"members[value eq \"a\"]","value":{"value":"a"}}]`:                                       invalidPath,
		`[{"op":"replace","path":"members","value":null}]`:                                                            invalidValue,
		`[{"op":"replace","path":"members","value":""}]`:                                                              invalidValue,
		`[{"op":"replace","path":"members","value":{"value":"a"}}]`:                                                   invalidValue,
		`[{"op":"replace","path":"members","value":"a"}]`:                                                             invalidValue,
		`[{"op":"replace","path":"members","value":[{}]}]`:                                                            invalidValue,
		`[{"op":"replace","path":"members","value":[null]}]`:                                                          invalidValue,
		`[{"op":"replace","path":"members"}]`:                                                                         invalidValue,
		`[{"op":"replace","value":{"members":null}}]`:                                                                 invalidValue,
		`[{"op":"replace","value":{"members":{"value":"a"}}}]`:                                                        invalidValue,
		`[{"op":"add","path":"members","value":null}]`:                                                                invalidValue,
		`[{"op":"add","path":"members","value":["a"]}]`:                                                               invalidValue,
		`[{"op":"add","path":"members","value":[{}]}]`:                                                                invalidValue,
		`[{"op":"add","path":"members","value":[{"value":"a","type":"Robot"}]}]`:                                      invalidValue,
		`[{"op":"add","path":"members","value":[{"value":"a","type":7}]}]`:                                            invalidValue,
		`[{"op":"add","path":"members","value":[{"value":"` + strings.Repeat("a", longID) + `"}]}]`:                   invalidValue,
		`[{"op":"remove","path":"members[value eq \"` + strings.Repeat("a", longID) + `\"]"}]`:                        invalidValue,
		`[{"op":"add","value":{"members":[{"value":"a"}],"MEMBERS[value eq \"b\"]":1}}]`:                              invalidPath,
		`[{"op":"add","value":{"members":[{"value":"a"}],"urn:ietf:params:scim:schemas:core:2.0:Group:members":[]}}]`: invalidValue,
		`[{"op":"remove","path":"displayName"}]`:                                                                      mutability,
		`[{"op":"replace","path":"displayName","value":""}]`:                                                          invalidValue,
		`[{"op":"replace","value":{"displayName":null}}]`:                                                             invalidValue,
		`[{"op":"replace","value":{"id":"other","displayName":"n"}}]`:                                                 mutability,
		`[{"op":"replace","path":"id","value":"` + resourceID + `"}]`:                                                 mutability,
		`[{"op":"replace","value":{"userName":"n"}}]`:                                                                 invalidPath,
		`[{"op":"replace","value":{"` + ext + `":{"department":"d"}}}]`:                                               invalidPath,
		`[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:active","value":1}]`:                         invalidPath,
	} {
		plan, err := compile(t, schema.Groups(), operations)
		if scimType(err) != want || plan != nil {
			t.Errorf("%.200s: %v, %v; want %s", operations, plan, err, want)
		}
	}
}

func TestUnknownShapesOnUsersAreRefused(t *testing.T) {
	const doc = `{"userName":"u","active":true,"emails":[{"type":"work","value":"w@x"},{"type":"home","value":"h@x"}]}`
	many := `{"value":"v"}` + strings.Repeat(`,{"value":"v"}`, maxElements)
	for operations, want := range map[string]string{
		`[]`:          invalidSyntax,
		`{}`:          invalidSyntax,
		`null`:        invalidSyntax,
		`[null]`:      invalidSyntax,
		`["replace"]`: invalidSyntax,
		`[{}]`:        invalidSyntax,
		`[{"op":"move","path":"title","value":"t"}]`:                                                                   invalidSyntax,
		`[{"op":7,"path":"title","value":"t"}]`:                                                                        invalidSyntax,
		`[{"op":"replace","path":"title","vaule":"t"}]`:                                                                invalidSyntax,
		`[{"op":"replace","path":"title"}]`:                                                                            invalidValue,
		`[{"op":"replace"}]`:                                                                                           invalidValue,
		`[{"op":"replace","value":null}]`:                                                                              invalidValue,
		`[{"op":"replace","value":{}}]`:                                                                                invalidValue,
		`[{"op":"replace","value":[{"active":false}]}]`:                                                                invalidValue,
		`[{"op":"replace","value":"active"}]`:                                                                          invalidValue,
		`[{"op":"replace","path":"","value":"t"}]`:                                                                     invalidPath,
		`[{"op":"replace","path":7,"value":"t"}]`:                                                                      invalidPath,
		`[{"op":"replace","path":" \t","value":"t"}]`:                                                                  invalidPath,
		`[{"op":"replace","path":"/title","value":"t"}]`:                                                               invalidPath,
		`[{"op":"replace","path":"titel","value":"t"}]`:                                                                invalidPath,
		`[{"op":"replace","value":{"titel":"t"}}]`:                                                                     invalidPath,
		`[{"op":"replace","path":"name.first","value":"t"}]`:                                                           invalidPath,
		`[{"op":"replace","path":"name","value":{"first":"t"}}]`:                                                       invalidPath,
		`[{"op":"replace","path":"title.value","value":"t"}]`:                                                          invalidPath,
		`[{"op":"replace","path":"a.b.c","value":"t"}]`:                                                                invalidPath,
		`[{"op":"replace","path":"emails.value","value":"t"}]`:                                                         invalidPath,
		`[{"op":"remove","path":"emails.value"}]`:                                                                      invalidPath,
		`[{"op":"replace","path":"emails[0].value","value":"t"}]`:                                                      invalidPath,
		`[{"op":"replace","path":"emails[type eq \"work\"","value":"t"}]`:                                              invalidPath,
		`[{"op":"replace","path":"emails[type eq \"work\"].email","value":"t"}]`:                                       invalidPath,
		`[{"op":"replace","path":"emails[kind eq \"work\"].value","value":"t"}]`:                                       invalidFilter,
		`[{"op":"replace","path":"emails[primary gt true].value","value":"t"}]`:                                        invalidFilter,
		`[{"op":"replace","path":"name[givenName eq \"g\"].familyName","value":"t"}]`:                                  invalidPath,
		`[{"op":"replace","path":"active[value eq true]","value":false}]`:                                              invalidFilter,
		`[{"op":"replace","path":"emails[type eq \"other\"]","value":{"value":"o"}}]`:                                  noTarget,
		`[{"op":"add","path":"emails[type eq \"other\"]","value":{"value":"o"}}]`:                                      noTarget,
		`[{"op":"replace","path":"emails[type ne \"work\" and type ne \"home\"].value","value":"o"}]`:                  noTarget,
		`[{"op":"add","path":"emails[type sw \"o\"].value","value":"o"}]`:                                              noTarget,
		`[{"op":"add","path":"emails[type eq \"o\" or type eq \"p\"].value","value":"o"}]`:                             noTarget,
		`[{"op":"add","path":"emails[type eq \"o\" and type eq \"p\"].value","value":"o"}]`:                            noTarget,
		`[{"op":"add","path":"emails[not (type pr)].value","value":"o"}]`:                                              noTarget,
		`[{"op":"replace","path":"emails[type eq \"work\"]","value":"o"}]`:                                             invalidValue,
		`[{"op":"replace","path":"emails[type eq \"work\"].primary","value":"yes"}]`:                                   invalidValue,
		`[{"op":"replace","path":"emails[value pr].primary","value":true}]`:                                            invalidValue,
		`[{"op":"replace","path":"emails","value":"o"}]`:                                                               invalidValue,
		`[{"op":"replace","path":"emails","value":["o"]}]`:                                                             invalidValue,
		`[{"op":"replace","path":"emails","value":[[]]}]`:                                                              invalidValue,
		`[{"op":"replace","path":"emails","value":[{"value":7}]}]`:                                                     invalidValue,
		`[{"op":"replace","path":"emails","value":[{"mail":"o"}]}]`:                                                    invalidPath,
		`[{"op":"add","path":"emails","value":[{"value":"a","primary":true},{"value":"b","primary":"True"}]}]`:         invalidValue,
		`[{"op":"add","path":"emails","value":[` + many + `]}]`:                                                        invalidValue,
		`[{"op":"remove","path":"emails","value":[]}]`:                                                                 invalidValue,
		`[{"op":"remove","path":"emails","value":null}]`:                                                               invalidValue,
		`[{"op":"remove","path":"emails","value":[{"type":"work"}]}]`:                                                  invalidValue,
		`[{"op":"remove","path":"emails","value":["w@x"]}]`:                                                            invalidValue,
		`[{"op":"remove","path":"userName"}]`:                                                                          mutability,
		`[{"op":"replace","path":"userName","value":""}]`:                                                              invalidValue,
		`[{"op":"replace","value":{"userName":null}}]`:                                                                 invalidValue,
		`[{"op":"replace","path":"id","value":"x"}]`:                                                                   mutability,
		`[{"op":"remove","path":"id"}]`:                                                                                mutability,
		`[{"op":"replace","value":{"id":"x"}}]`:                                                                        mutability,
		`[{"op":"replace","value":{"id":null}}]`:                                                                       mutability,
		`[{"op":"replace","path":"schemas","value":[]}]`:                                                               mutability,
		`[{"op":"replace","path":"meta.version","value":"x"}]`:                                                         mutability,
		`[{"op":"add","path":"groups","value":[{"value":"admins"}]}]`:                                                  mutability,
		`[{"op":"add","path":"groups[value eq \"x\"].display","value":"admins"}]`:                                      mutability,
		`[{"op":"add","value":{"groups":[{"value":"admins"}]}}]`:                                                       mutability,
		`[{"op":"add","path":"manager.$ref","value":"x"}]`:                                                             mutability,
		`[{"op":"replace","path":"active","value":"no"}]`:                                                              invalidValue,
		`[{"op":"replace","path":"active","value":0}]`:                                                                 invalidValue,
		`[{"op":"replace","path":"active","value":""}]`:                                                                invalidValue,
		`[{"op":"replace","path":"active","value":[]}]`:                                                                invalidValue,
		`[{"op":"replace","path":"active","value":[false]}]`:                                                           invalidValue,
		`[{"op":"replace","path":"active","value":{"value":false}}]`:                                                   invalidValue,
		`[{"op":"replace","path":"title","value":7}]`:                                                                  invalidValue,
		`[{"op":"replace","path":"title","value":true}]`:                                                               invalidValue,
		`[{"op":"replace","path":"title","value":["t"]}]`:                                                              invalidValue,
		`[{"op":"replace","path":"name","value":"Alice"}]`:                                                             invalidValue,
		`[{"op":"replace","path":"name","value":[{"givenName":"a"},{"givenName":"b"}]}]`:                               invalidValue,
		`[{"op":"replace","path":"name","value":[[{"givenName":"a"}]]}]`:                                               invalidValue,
		`[{"op":"replace","path":"manager","value":[{"value":"a"},{"value":"b"}]}]`:                                    invalidValue,
		`[{"op":"replace","path":"` + ext + `","value":"d"}]`:                                                          invalidValue,
		`[{"op":"replace","path":"` + ext + `","value":{"floor":"d"}}]`:                                                invalidPath,
		`[{"op":"replace","path":"` + ext + `","value":{"userName":"d"}}]`:                                             invalidPath,
		`[{"op":"replace","path":"` + ext + `:floor","value":"d"}]`:                                                    invalidPath,
		`[{"op":"replace","value":{"` + ext + `":{"floor":"d"}}}]`:                                                     invalidPath,
		`[{"op":"replace","value":{"` + ext + `":{"manager[x eq 1]":"d"}}}]`:                                           invalidPath,
		`[{"op":"replace","value":{"department":"a","` + ext + `":{"department":"b"}}}]`:                               invalidValue,
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"active":false}}]`:              invalidPath,
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:actve","value":false}]`:                   invalidPath,
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:Usr:active","value":false}]`:                   invalidPath,
		`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:Group:displayName","value":"x"}]`:              invalidPath,
		`[{"op":"add","path":"members","value":[{"value":"a"}]}]`:                                                      invalidPath,
		`[{"op":"replace","path":"title","value":"` + strings.Repeat("t", maxDocument) + `"}]`:                         invalidValue,
		`[` + strings.Repeat(`{"op":"remove","path":"title"},`, maxUserOperations) + `{"op":"remove","path":"title"}]`: invalidValue,
	} {
		got, changed, err := patchUser(t, doc, operations)
		if scimType(err) != want || got != nil || changed {
			t.Errorf("%.200s: %v, %v; want %s", operations, got, err, want)
		}
	}
}

func TestMessagesThatAreNoPatchAreRefused(t *testing.T) {
	const operations = `"Operations":[{"op":"replace","value":{"active":false}}]`
	for _, text := range []string{
		`{}`, `{` + operations + `}`, `{"schemas":[],` + operations + `}`, `{"schemas":"` + OpURN + `",` + operations + `}`,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],` + operations + `}`, `{"schemas":["` + OpURN + `"]}`,
		`{"schemas":[7],` + operations + `}`,
	} {
		plan, err := Compile(schema.Users(), resourceID, parse(t, text), strings.ToLower)
		if plan != nil || scimType(err) != invalidSyntax {
			t.Errorf("%s: %v, %v", text, plan, err)
		}
	}
	if _, err := Compile(schema.Users(), resourceID, parse(t, `{"SCHEMAS":["`+strings.ToUpper(OpURN)+`"],`+strings.ToLower(operations)+`}`), strings.ToLower); err != nil {
		t.Errorf("another case: %v", err)
	}
}

func TestErrorsNameTheOperationAndNoValue(t *testing.T) {
	_, _, err := patchUser(t, minimal, `[{"op":"add","path":"title","value":"hunter2"},{"op":"add","path":"active","value":"hunter2"}]`)
	if err == nil || !strings.Contains(err.Error(), "invalidValue: operation 2: active") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	_, _, err = patchUser(t, minimal, `[{"op":"add","path":"title","value":"x"},{"op":"add","path":"emails[type sw \"hunter2\"].value","value":"hunter2"}]`)
	if err == nil || !strings.Contains(err.Error(), "noTarget: operation 2: nothing matches emails") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestOneRequestCannotLookAtValuesWithoutEnd(t *testing.T) {
	var list, operations strings.Builder
	for i := range maxElements {
		fmt.Fprintf(&list, `{"value":"v%d"},`, i)
	}
	for range maxUserOperations {
		operations.WriteString(`{"op":"remove","path":"roles[value eq \"none\"]"},`)
	}
	doc := `{"userName":"u","roles":[` + strings.TrimSuffix(list.String(), ",") + `]}`
	_, _, err := patchUser(t, doc, `[`+strings.TrimSuffix(operations.String(), ",")+`]`)
	if scimType(err) != invalidValue {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestAListOfValuesDoesNotGrowWithoutEnd(t *testing.T) {
	operations := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"value":"v%d"},`, i)
		}
		half := strings.TrimSuffix(b.String(), ",")
		return `[{"op":"add","path":"roles","value":[` + half + `]},{"op":"add","path":"roles","value":[` + strings.ReplaceAll(half, "v", "w") + `]}]`
	}
	if _, _, err := patchUser(t, minimal, strings.ReplaceAll(operations(maxElements/2), `"walue"`, `"value"`)); err != nil {
		t.Error(err)
	}
	if _, _, err := patchUser(t, minimal, strings.ReplaceAll(operations(maxElements/2+1), `"walue"`, `"value"`)); scimType(err) != invalidValue {
		t.Errorf("%v, want a refusal", err)
	}
}
