// What the cluster's own containers run, without a libc and without a resolver.
//
//	pod            waits: the process that holds the namespaces of a pod
//	pod get URL    prints the status of a GET; exits with 1 when there is no answer within 3 s
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "get" {
		get(os.Args[2])
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	// An ignored SIGCHLD has the kernel reap the children that a pod leaves to its first process (wait(2)).
	signal.Ignore(syscall.SIGCHLD)
	<-ended
}

func get(url string) {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(response.StatusCode)
}
