module samlidp

go 1.26

require github.com/crewjam/saml v0.5.1

require (
	github.com/beevik/etree v1.7.0 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	github.com/mattermost/xml-roundtrip-validator v0.1.0 // indirect
	github.com/russellhaering/goxmldsig v1.6.1 // indirect; above what crewjam/saml asks for, which has a way round a signature
	golang.org/x/crypto v0.33.0 // indirect
)
