"""The service in its versioned form; `teacher_pb2` is generated from `teacher.proto`."""
