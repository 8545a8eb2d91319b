"""What a sparse network saves: parameters, FLOPs, file sizes, latency; export, quantisation, removal of channels."""
