module stowage.test/clients

go 1.24.2

require (
	github.com/google/go-containerregistry v0.20.6
	oras.land/oras v1.2.3
)
