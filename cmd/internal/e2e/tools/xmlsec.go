package tools

import (
	"context"
	"fmt"
)

const xmlsecFloor = "1.2"

// XMLSec finds $XMLSEC or xmlsec1: the implementation of XML Signature that ours is compared with.
func XMLSec(ctx context.Context) (path, version string, err error) {
	path, version, err = look(ctx, "XMLSEC", xmlsecFloor, "xmlsec1")
	if err != nil {
		return "", "", err
	}
	if path == "" {
		return "", "", fmt.Errorf("no xmlsec1 %s or newer: run %s", xmlsecFloor, aptCommand("xmlsec1"))
	}
	return path, version, nil
}
