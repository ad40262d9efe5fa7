package patch

// selected makes an edit on the values that the filter of its path chooses.
func (e edit) selected(list []any, matches *int) ([]any, error) {
	if *matches += len(list); *matches > maxMatches {
		return nil, refuse(invalidValue, "the operations look at more than %d values", maxMatches)
	}
	hit := make([]bool, len(list))
	hits := 0
	for i, item := range list {
		if hit[i] = e.where.Match(element(item)); hit[i] {
			hits++
		}
	}
	switch {
	case e.Sub == nil && e.value == nil:
		return keep(list, func(i int) bool { return !hit[i] }), nil
	case hits == 0 && e.value == nil:
		return list, nil
	case hits == 0:
		return e.created(list)
	}
	for i, item := range list {
		if hit[i] {
			e.change(element(item))
		}
	}
	list, err := e.onePrimary(list, func(i int) bool { return hit[i] })
	return keep(list, func(i int) bool { return len(element(list[i])) > 0 }), err
}

func keep(list []any, want func(int) bool) []any {
	var out []any
	for i, item := range list {
		if want(i) {
			out = append(out, item)
		}
	}
	return out
}

// change edits one element.
func (e edit) change(item map[string]any) {
	if e.Sub != nil {
		set(item, e.Sub.Name, e.value)
		return
	}
	merge(item, element(e.value))
}

// created adds the element that a filter describes and nobody is, with the sub-attribute the path names. Entra writes
// a user's first e-mail address so.
func (e edit) created(list []any) ([]any, error) {
	item, ok := e.where.Equalities()
	if !ok || e.Sub == nil {
		return nil, refuse(noTarget, "nothing matches %s[…]", e.Attr.Name)
	}
	e.change(item)
	return e.appended(list, []any{item})
}
