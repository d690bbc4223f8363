// fir(x: i16[12], h: i16[4]) -> (y: i32[12])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module fir (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // x: 12 words of i16
    output logic               x_ren,
    output logic [3:0]         x_raddr,
    input  logic signed [15:0] x_rdata,

    // h: 4 words of i16
    output logic               h_ren,
    output logic [1:0]         h_raddr,
    input  logic signed [15:0] h_rdata,

    // y: 12 words of i32
    output logic               y_wen,
    output logic [3:0]         y_waddr,
    output logic signed [31:0] y_wdata
);
  logic       start_n;
  logic [2:1] last_n;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:24)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last_n[2]) begin
        busy <= 1'b0;
      end
      done <= last_n[2];
    end
  end

  // ------------------------- loop i: 12 iterations, one begins each cycle, 1 stage (designs.py:25)
  localparam logic [3:0] LAST_I = 4'd11;
  logic       i_last;
  logic [3:0] i;
  logic       run_i;  // iterations begin

  assign i_last = i == LAST_I;

  always_ff @(posedge clk) begin
    if (rst) begin
      run_i <= 1'b0;
    end else if (accepted) begin
      run_i <= 1'b1;
    end else if (start_n) begin
      run_i <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      i <= 4'd0;
    end else if (run_i) begin
      i <= i + 4'd1;
    end
  end

  // --------------------- loop n, t: 36 iterations, one begins each cycle, 3 stages (designs.py:26)
  localparam logic [3:0] LAST_N = 4'd11;
  localparam logic [1:0] LAST_T = 2'd3;
  logic [3:0]         n;
  logic               n_last;
  logic [1:0]         t;
  logic               t_last;
  logic signed [31:0] acc_next;
  logic [5:0]         n_t_count;  // n, t side by side
  logic               run_n;      // iterations begin
  logic [2:1]         valid_n;    // the stages that hold an iteration
  logic [2:1]         t_is_0_s;
  logic signed [31:0] x_times_h_s2;
  logic signed [31:0] acc;
  logic [2:1]         t_is_3_s;
  logic [3:0]         n_s1;
  logic [3:0]         n_s2;

  assign start_n = run_i && i_last;
  assign n = n_t_count[5:2];
  assign n_last = n == LAST_N;

  // designs.py:28: for t in range(T):
  assign t = n_t_count[1:0];
  assign t_last = t == LAST_T;

  // designs.py:29: acc += x[n - t] * h[t]
  assign acc_next = (t_is_0_s[2] ? 32'sd0 : acc) + x_times_h_s2;

  always_ff @(posedge clk) begin
    if (rst) begin
      run_n <= 1'b0;
      last_n <= '0;
      valid_n <= '0;
    end else begin
      if (start_n) begin
        run_n <= 1'b1;
      end else if (t_last && n_last) begin
        run_n <= 1'b0;
      end
      last_n <= {last_n[1], run_n && t_last && n_last};
      valid_n <= {valid_n[1], run_n};
    end
  end

  // designs.py:26, 27
  always_ff @(posedge clk) begin
    if (start_n) begin
      n_t_count <= 6'd12;
      acc <= 32'sd0;
    end else begin
      if (run_n) n_t_count <= n_t_count + 6'd1;
      if (valid_n[2]) acc <= acc_next;
    end
  end

  // designs.py:26, 27, 29, 30
  always_ff @(posedge clk) begin
    t_is_0_s <= {t_is_0_s[1], t == 2'd0};
    x_times_h_s2 <= 32'(x_rdata) * 32'(h_rdata);
    t_is_3_s <= {t_is_3_s[1], t_last};
    n_s1 <= n;
    n_s2 <= n_s1;
  end

  // ----------------------------------------------------------------------------------------- ports
  assign x_raddr = n - 4'(t);
  assign x_ren = run_n;
  assign h_raddr = t;
  assign h_ren = run_n;
  assign y_waddr = run_i ? i : n_s2;
  assign y_wdata = run_i ? 32'sd0 : acc_next;
  assign y_wen = run_i || (valid_n[2] && t_is_3_s[2]);
endmodule
