module weft.test/capture/client

go 1.21
