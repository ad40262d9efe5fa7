package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	bulkSchema         = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseSchema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
	bulkPrefix         = "bulkId:"
)

// bulkOp is one operation of a bulk request (RFC 7644 §3.7).
type bulkOp struct {
	operation
	bulkID string
	needs  []string // the bulkIds it names in its data or its path
	bad    error    // it cannot be run at all
	done   bool
	out    outcome
	err    error
}

// bulkRun is a bulk request at work.
type bulkRun struct {
	c       *call
	ops     []*bulkOp
	makers  map[string]*bulkOp // the POST that gives each bulkId its meaning
	errors  int
	allowed int // failOnErrors
}

// bulk runs every operation in a transaction of its own, after those whose ids it names. Only operations that name
// each other in a circle share one: neither could come first.
func (c *call) bulk(ctx context.Context, body map[string]any) (answer, error) {
	b, err := c.readBulk(body)
	if err != nil {
		return answer{}, err
	}
	for _, circle := range b.order() {
		if b.errors >= b.allowed {
			break
		}
		b.run(ctx, circle)
	}
	return answer{status: http.StatusOK, body: b.response}, nil
}

func (c *call) readBulk(body map[string]any) (*bulkRun, error) {
	if !hasSchema(body, bulkSchema) {
		return nil, badRequest(typeInvalidSyntax, "The body of a bulk request names "+bulkSchema+" in its schemas.")
	}
	list, ok := message(body, "Operations").([]any)
	if !ok || len(list) == 0 {
		return nil, badRequest(typeInvalidSyntax, "A bulk request has Operations, a list with at least one of them.")
	}
	if len(list) > maxBulkOperations {
		return nil, &Error{
			Status: http.StatusRequestEntityTooLarge,
			Detail: fmt.Sprintf("The bulk request has more operations than the %d (maxOperations) allowed.", maxBulkOperations),
		}
	}
	b := &bulkRun{c: c, makers: map[string]*bulkOp{}, allowed: math.MaxInt}
	if limit := message(body, "failOnErrors"); limit != nil {
		n, ok := limit.(json.Number)
		whole, err := strconv.Atoi(n.String())
		if !ok || err != nil || whole < 1 {
			return nil, badRequest(typeInvalidValue, "failOnErrors is a whole number from 1.")
		}
		b.allowed = whole
	}
	for _, item := range list {
		op := readBulkOp(item)
		b.ops = append(b.ops, op)
		if op.method != http.MethodPost || op.bulkID == "" || op.bad != nil {
			continue
		}
		if b.makers[op.bulkID] != nil {
			op.bad = badRequest(typeInvalidValue, "Another operation has the same bulkId.")
			continue
		}
		b.makers[op.bulkID] = op
	}
	return b, nil
}

// message looks a key of a protocol message up in whatever case.
func message(body map[string]any, name string) any {
	if v, ok := body[name]; ok {
		return v
	}
	for key, value := range body {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

func readBulkOp(item any) *bulkOp {
	op := &bulkOp{}
	object, ok := item.(map[string]any)
	if !ok {
		op.bad = badRequest(typeInvalidSyntax, "An operation is an object.")
		return op
	}
	method, _ := message(object, "method").(string) // the empty method is refused below
	path, _ := message(object, "path").(string)     // the empty path is refused below
	op.method = strings.ToUpper(method)
	op.bulkID, _ = message(object, "bulkId").(string)     // absent is fine but for POST
	op.pre.match, _ = message(object, "version").(string) // absent is fine
	op.body, _ = message(object, "data").(map[string]any) // the empty body is refused below
	op.place = route(Base + path)
	op.bad = op.check(path)
	if id, ok := strings.CutPrefix(op.place.id, bulkPrefix); ok {
		op.needs = append(op.needs, id)
	}
	collect(op.body, func(id string) { op.needs = append(op.needs, id) })
	return op
}

func (op *bulkOp) check(path string) error {
	if !op.place.writable() {
		return badRequest(typeInvalidValue, "The path of an operation is /Users, /Groups or one of their resources.")
	}
	if !strings.HasPrefix(path, "/") {
		return badRequest(typeInvalidValue, "The path of an operation begins with a slash.")
	}
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" {
			return badRequest(typeInvalidValue, "A POST in a bulk request has a bulkId.")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return badRequest(typeInvalidValue, "The method of an operation is POST, PUT, PATCH or DELETE.")
	}
	if err := op.place.admit(op.method); err != nil {
		return err
	}
	if op.body == nil && op.method != http.MethodDelete {
		return badRequest(typeInvalidValue, "The data of an operation is an object.")
	}
	return nil
}

// order sorts the operations into circles, those a circle depends on before it and else as they came (Tarjan 1972).
func (b *bulkRun) order() [][]*bulkOp {
	s := sorter{b: b, index: map[*bulkOp]int{}, low: map[*bulkOp]int{}, open: map[*bulkOp]bool{}}
	for _, op := range b.ops {
		if s.index[op] == 0 {
			s.visit(op)
		}
	}
	return s.circles
}

type sorter struct {
	b       *bulkRun
	next    int
	index   map[*bulkOp]int
	low     map[*bulkOp]int
	open    map[*bulkOp]bool
	stack   []*bulkOp
	circles [][]*bulkOp
}

func (s *sorter) visit(op *bulkOp) {
	s.next++
	s.index[op], s.low[op], s.open[op] = s.next, s.next, true
	s.stack = append(s.stack, op)
	for _, id := range op.needs {
		maker := s.b.makers[id]
		switch {
		case maker == nil:
		case s.index[maker] == 0:
			s.visit(maker)
			s.low[op] = min(s.low[op], s.low[maker])
		case s.open[maker]:
			s.low[op] = min(s.low[op], s.index[maker])
		}
	}
	if s.low[op] != s.index[op] {
		return
	}
	var circle []*bulkOp
	for {
		last := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		s.open[last] = false
		circle = append(circle, last)
		if last == op {
			s.circles = append(s.circles, circle)
			return
		}
	}
}

func (b *bulkRun) run(ctx context.Context, circle []*bulkOp) {
	if len(circle) == 1 && !circle[0].needsItself() {
		op := circle[0]
		op.out, op.err = b.one(ctx, op)
	} else {
		b.together(ctx, circle)
	}
	for _, op := range circle {
		op.done = true
		if op.err != nil {
			b.errors++
		}
	}
}

func (op *bulkOp) needsItself() bool {
	for _, id := range op.needs {
		if id == op.bulkID && op.method == http.MethodPost {
			return true
		}
	}
	return false
}

func (b *bulkRun) one(ctx context.Context, op *bulkOp) (outcome, error) {
	if op.bad != nil {
		return outcome{}, op.bad
	}
	for _, id := range op.needs {
		if _, ok := b.made(id); !ok {
			return outcome{}, unresolved()
		}
	}
	return b.c.write(ctx, b.resolve(op))
}

// made gives the id that a bulkId stands for, once its operation has succeeded.
func (b *bulkRun) made(id string) (string, bool) {
	maker := b.makers[id]
	if maker == nil || maker.err != nil || maker.out.place.id == "" {
		return "", false
	}
	return maker.out.place.id, true
}

func (b *bulkRun) resolve(op *bulkOp) operation {
	out := op.operation
	out.body, _ = replace(op.body, b.made).(map[string]any) // a map becomes a map
	if id, ok := strings.CutPrefix(op.place.id, bulkPrefix); ok {
		out.place.id, _ = b.made(id)
	}
	return out
}

func unresolved() *Error {
	return &Error{Status: http.StatusConflict, Type: typeInvalidValue, Detail: "The operation names a bulkId that no operation of this request has made."}
}

// together makes the resources of a circle without what they say of each other, then adds that: all or none of it.
func (b *bulkRun) together(ctx context.Context, circle []*bulkOp) {
	var failed *bulkOp
	err := b.c.update(ctx, func(tx directory.Tx) error {
		failed = nil
		for _, op := range circle {
			op.out, op.err = outcome{}, nil
		}
		for _, second := range []bool{false, true} {
			for _, op := range circle {
				if err := b.half(tx, op, second); err != nil {
					failed = op
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	for _, op := range circle {
		op.out = outcome{}
		op.err = &Error{Status: http.StatusConflict, Type: typeInvalidValue, Detail: "An operation that this one and others name in a circle failed."}
		if op == failed || failed == nil {
			op.err = err
		}
	}
}

// half runs the first half of an operation of a circle, which makes the resource, or the second, which completes it.
func (b *bulkRun) half(tx directory.Tx, op *bulkOp, second bool) error {
	if op.bad != nil {
		return op.bad
	}
	todo := b.resolve(op)
	if second {
		todo.method, todo.place = http.MethodPut, op.out.place
		for _, id := range op.needs {
			if _, ok := b.made(id); !ok {
				return unresolved()
			}
		}
	} else if kept, ok := strip(todo.body); ok {
		todo.body, _ = kept.(map[string]any) // a map becomes a map
	}
	run, err := b.c.prepare(todo)
	if err != nil {
		return err
	}
	out, err := run(tx)
	if err != nil {
		return err
	}
	out.status = http.StatusCreated
	op.out = out
	return nil
}

// response lists what became of the operations, in the order of the request. Those after the last error allowed are
// not there (RFC 7644 §3.7.3).
func (b *bulkRun) response(e *encoder) {
	e.raw(`{"schemas":["` + bulkResponseSchema + `"],"Operations":[`)
	comma := ""
	for _, op := range b.ops {
		if !op.done {
			continue
		}
		e.raw(comma)
		e.value(b.result(op))
		comma = ","
	}
	e.raw("]}")
}

func (b *bulkRun) result(op *bulkOp) map[string]any {
	out := map[string]any{}
	if op.method != "" {
		out["method"] = op.method
	}
	if op.bulkID != "" {
		out["bulkId"] = op.bulkID
	}
	if op.err != nil {
		e := asError(op.err)
		out["status"] = strconv.Itoa(e.Status)
		out["response"] = json.RawMessage(e.body())
		if op.method != http.MethodPost && op.place.id != "" && !strings.HasPrefix(op.place.id, bulkPrefix) {
			out["location"] = b.c.h.locationOf(op.place)
		}
		return out
	}
	out["status"] = strconv.Itoa(op.out.status)
	out["location"] = b.c.h.locationOf(op.out.place)
	if op.out.version > 0 {
		out["version"] = etag(op.out.version)
	}
	return out
}
